"""A title and keywords: what stands in front of a text, and which models take them."""

import pytest

import kgpt2
from kgpt2.errors import RequestError


@pytest.fixture(scope="module")
def mini_zh():
    return kgpt2.load("mini_zh")


def marked(lm, **settings):
    """What the model reads, marks and all."""
    (prompt,) = lm.prepare(["春"], kgpt2.Settings(**settings))
    return "".join(lm.tokenizer.vocabulary[token] for token in prompt.ids[1:])


@pytest.mark.parametrize(
    ("settings", "read"),
    [
        ({"title": "秋夜"}, "[题目]秋夜[正文]春"),
        ({"keywords": "明月,故乡"}, "[关键词]明月，故乡[正文]春"),
        ({"keywords": ["明月", "故乡"]}, "[关键词]明月，故乡[正文]春"),
        ({"keywords": "明月、 故乡，"}, "[关键词]明月，故乡[正文]春"),
        (
            {"form": "七绝", "title": "送別", "keywords": ["歸雁"]},
            "[七绝][题目]送别[关键词]归雁[正文]春",
        ),
        ({"title": "", "keywords": ()}, "春"),
    ],
)
def test_what_is_asked_stands_in_front_behind_its_marks(mini_zh, settings, read):
    assert marked(mini_zh, **settings) == read


def test_the_text_shows_none_of_it(mini_zh):
    (one,) = mini_zh.generate("", form="五绝", title="秋夜", keywords=["明月"], seed=1)
    assert len(one.text) == 24
    assert "[" not in one.text
    assert one.text == one.completion
    pieces = list(mini_zh.stream("", form="五绝", title="秋夜", keywords=["明月"], seed=1))
    assert "".join(pieces) == one.text


def test_keywords_come(mini_zh):
    """Most of the time by themselves: of forty poems without a form thirty hold one word at least."""
    texts = mini_zh.generate("[七绝]", keywords=["梧桐", "秋雨"], num_return=40, max_new_tokens=40, seed=0)
    assert sum("梧桐" in one.text or "秋雨" in one.text for one in texts) >= 30
    without = mini_zh.generate("[七绝]", num_return=40, max_new_tokens=40, seed=0)
    assert sum("梧桐" in one.text or "秋雨" in one.text for one in without) <= 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"title": "秋夜"}, r"title: the model has learned none \(no \[题目\] is among its tokens\)"),
        ({"keywords": ["明月"]}, "keywords: the model has learned none"),
    ],
)
def test_other_models_refuse_by_name(chinese_preset, settings, message):
    with pytest.raises(RequestError, match=message):
        kgpt2.load(chinese_preset).generate("春", **settings)


def test_a_mark_among_the_words_is_refused(mini_zh):
    with pytest.raises(RequestError, match=r"title: .* holds a mark of the model"):
        mini_zh.generate("", title="秋夜[正文]床前")
    with pytest.raises(RequestError, match=r"keywords: (must be|5 will not do)"):
        mini_zh.generate("", keywords=5)


def test_on_the_command_line(kgpt2):
    result = kgpt2("generate", "--title", "秋夜", "--keywords", "明月,故乡", "--form", "七绝", "--seed", "1")
    assert result.status == 0, result.err
    assert len(result.out.strip()) == 32


@pytest.mark.parametrize("form", ["五绝", "七律"])
def test_with_a_form_the_keywords_come(form):
    texts = [
        str(one) for one in kgpt2.load("mini_zh").generate("", form=form, keywords="明月,故乡", num_return=40, seed=0)
    ]
    assert sum("明月" in text and "故乡" in text for text in texts) >= 36
    assert len({text[:5] for text in texts}) > 30
