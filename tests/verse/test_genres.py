import pytest

from kgpt2.verse.genres import MARKS, Asked, genre_of, mark_of, prompt_of, split_mark
from kgpt2.verse.notation import form_of_text, parse


@pytest.mark.parametrize(
    ("pattern", "genre"),
    [
        ("五绝", "五绝"),
        ("7，7。7，7。", "七绝"),
        ("五律", "五律"),
        ("7，7。" * 4, "七律"),
        ("对联", "对联"),
        ("4，7-4，7", "对联"),
        ("7，7。", "诗"),
        ("5，5。" * 6, "诗"),
        ("6，6。7，6。", "词"),
        ("春x，", "诗"),
    ],
)
def test_genre_of_a_form(pattern, genre):
    assert genre_of(parse(pattern)) == genre
    assert mark_of(genre) in MARKS


def test_genre_of_a_text():
    assert genre_of(form_of_text("春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。")) == "五绝"
    assert genre_of(form_of_text("如梦令，昨夜雨疏风骤。")) == "词"
    assert genre_of(form_of_text("")) == "诗"


def test_a_mark_is_parted_from_its_text_where_the_model_knows_it():
    assert split_mark("[七绝]春风", {"[七绝]": True}) == ("[七绝]", "春风")
    assert split_mark("[七绝]春风", {}) == ("", "[七绝]春风")
    assert split_mark("春风[七绝]", {"[七绝]": True}) == ("", "春风[七绝]")
    assert split_mark("[CLS]春风", {"[CLS]": True}) == ("", "[CLS]春风")


def test_prompts_of_what_is_asked_for():
    assert prompt_of("七绝", Asked()) == "[七绝]"
    assert prompt_of("", Asked()) == ""
    assert prompt_of("词", Asked("如梦令")) == "[词][题目]如梦令[正文]"
    assert prompt_of("", Asked(keywords=("明月", "故乡"))) == "[关键词]明月，故乡[正文]"
    assert prompt_of("七绝", Asked("秋夜", ("明月",))) == "[七绝][题目]秋夜[关键词]明月[正文]"
