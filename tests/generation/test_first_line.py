"""What is taken for a first line, and what for an instruction."""

import pytest

from kgpt2.config.settings import Settings
from kgpt2.generation.first_line import form_of_first_line, is_instruction


@pytest.mark.parametrize(
    ("prompt", "form"),
    [
        ("床前明月光", "五绝"),
        ("床前明月光,", "五绝"),
        ("春风又绿江南岸，", "七绝"),
        ("春眠不觉晓。", "5。5。5，5。"),
        ("春风", ""),
        ("床前明月光，疑是地上霜。", ""),
        ("[七绝]春风又绿江南岸", ""),
        ("hello", ""),
        ("写首春天诗", ""),
    ],
)
def test_lines(prompt, form):
    assert form_of_first_line(prompt, Settings()) == form


@pytest.mark.parametrize(
    "settings",
    [
        {"form": "七绝", "tones": "off"},
        {"tones": "off"},
        {"rhyme": "off"},
        {"max_new_tokens": 9},
        {"max_length": 9},
        {"min_new_tokens": 2},
        {"stop": ("。",)},
        {"default_bans": False},
        {"sampler": "beam"},
    ],
)
def test_who_says_more_is_left_alone(settings):
    assert form_of_first_line("床前明月光", Settings(**settings)) == ""
    assert form_of_first_line("床前明月光", Settings(seed=3, num_return=2, title="秋夜")) == "五绝"


@pytest.mark.parametrize("prompt", ["写一首关于春天的诗", "请写一首诗", "关于秋天的七言绝句", "帮我写一副对联"])
def test_instructions(prompt):
    assert is_instruction(prompt)


@pytest.mark.parametrize("prompt", ["写尽江南雨后山", "作诗容易改诗难", "来日绮窗前", "春风又绿江南岸"])
def test_verse_is_no_instruction(prompt):
    assert not is_instruction(prompt)
