import pytest

from kgpt2.verse.form import form_of


def poem(lines: int, length: int) -> str:
    return "".join("山" * length + ("，" if number % 2 == 0 else "。") for number in range(lines))


@pytest.mark.parametrize(
    ("lines", "length", "form"),
    [
        (4, 5, "五绝"),
        (4, 7, "七绝"),
        (8, 5, "五律"),
        (8, 7, "七律"),
        (12, 5, "五排"),
        (10, 7, "七排"),
        (6, 5, "五古"),
        (11, 7, "七古"),
        (4, 6, "六绝"),
        (8, 6, "六律"),
        (16, 4, "四言"),
        (2, 5, ""),
        (4, 3, ""),
        (4, 8, ""),
        (0, 0, ""),
    ],
)
def test_lengths_and_counts_tell_the_form(lines, length, form):
    assert form_of(poem(lines, length)) == form


def test_unequal_lines_have_no_form():
    assert form_of("知否，知否，应是绿肥红瘦。") == ""
    assert form_of("春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。") == "五绝"
    assert form_of("春眠不觉晓？处处闻啼鸟！夜来风雨声；花落𠮷多少") == "五绝"
