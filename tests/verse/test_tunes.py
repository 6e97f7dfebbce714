"""Tunes by name: their variants, their rhymes, and how they are asked for."""

import re

import pytest

import kgpt2
from kgpt2.errors import RequestError
from kgpt2.verse.genres import genre_of
from kgpt2.verse.notation import lines_of, own_rhymes, parse
from kgpt2.verse.rules import Rules
from kgpt2.verse.sounds import families, rhymes_of, tone_of
from kgpt2.verse.tunes import tune_pattern, tunes


def test_every_variant_is_a_form_that_rhymes():
    assert len(tunes()) == 100
    for name, count in tunes().items():
        for number in range(1, count + 1):
            form = parse(f"{name}{number}")
            assert own_rhymes(form), name
            assert genre_of(form) == "词"
        assert parse(name) == parse(f"{name}1")
        with pytest.raises(RequestError, match="no variant"):
            parse(f"{name}{count + 1}")


@pytest.mark.parametrize(
    ("name", "lengths"),
    [("浣溪沙", [7] * 6), ("菩萨蛮", [7, 7, *[5] * 6]), ("木兰花", [7] * 8), ("西江月", [6, 6, 7, 6] * 2)],
)
def test_lines_of_tunes(name, lengths):
    assert [len(line) for line in lines_of(parse(name))] == lengths


def test_a_tune_rhymes_by_cilin_unless_told_otherwise():
    assert Rules("菩萨蛮").system == Rules("临江仙2").system == "cilin"
    assert Rules("菩萨蛮", rhyme="modern").system == "modern"
    assert Rules("七绝").system == "pingshui"


@pytest.mark.parametrize("name", ["菩萨蛮", "西江月", "如梦令", "忆秦娥", "调笑令2"])
def test_ci_keep_their_tones_and_rhymes(name):
    places = re.findall(r"([xpzRr=])(\d?)", tune_pattern(name))
    for one in kgpt2.load("mini_zh").generate("", form=name, num_return=8, seed=3):
        signs = [sign for sign in one.text if sign not in "，。"]
        parts: dict[str, set[str]] = {}
        for place, (sign, (kind, number)) in enumerate(zip(signs, places, strict=True)):
            if kind == "=":
                assert sign == signs[place - int(number)], one.text
            tone = {"p": 1, "R": 1, "z": 2, "r": 2}.get(kind, 3)
            if kind in "Rr":
                own = {part for rhyme in rhymes_of(sign, tone, "cilin") for part in families(rhyme, "cilin")}
                parts[number] = parts.get(number, own) & own
            elif kind not in "x=":
                assert tone_of(sign) & tone, one.text
        assert all(parts.values()), one.text
