"""Against what a dictionary says of well-known characters."""

import pytest

from kgpt2.verse.sounds import ANY, LEVEL, OBLIQUE, rhymes, rhymes_of, tone_of


@pytest.mark.parametrize(
    ("characters", "tone"),
    [
        ("春风山花天人流楼光霜乡", LEVEL),
        ("月雨夜日白一不入国绿竹雪独", OBLIQUE),  # 入声 among them, which Mandarin has lost
        ("中思看教长重", ANY),
    ],
)
def test_classical_tones(characters, tone):
    assert {character: tone_of(character) for character in characters} == dict.fromkeys(characters, tone)


def test_modern_tones_are_mandarins():
    assert [tone_of(character, "modern") for character in "白竹国一"] == [LEVEL] * 4
    assert [tone_of(character, "modern") for character in "月绿"] == [OBLIQUE] * 2


@pytest.mark.parametrize(("simplified", "traditional"), ["风風", "云雲", "叶葉", "难難", "万萬"])
def test_simplified_and_traditional_sound_alike(simplified, traditional):
    assert tone_of(simplified) & tone_of(traditional)
    for tone in (LEVEL, OBLIQUE):
        assert rhymes_of(traditional, tone) <= rhymes_of(simplified, tone)


def test_rhymes():
    assert rhymes_of("光", LEVEL) & rhymes_of("霜", LEVEL) & rhymes_of("乡", LEVEL)
    # 东 and 冬 sound alike today; in 平水韵 they are two rhymes.
    assert not rhymes_of("东", LEVEL) & rhymes_of("冬", LEVEL)
    assert rhymes_of("东", LEVEL, "modern") & rhymes_of("冬", LEVEL, "modern")
    assert not rhymes_of("知", LEVEL, "modern") & rhymes_of("衣", LEVEL, "modern")
    assert not rhymes_of("光", OBLIQUE)


def test_the_numbers_of_rhymes():
    assert (len(rhymes(LEVEL)), len(rhymes(OBLIQUE))) == (30, 76)
    assert len(rhymes(LEVEL, "modern")) == len(rhymes(OBLIQUE, "modern")) == 14


def test_what_is_no_character_has_no_sound():
    assert tone_of("，") == tone_of("a") == tone_of("") == 0
    assert rhymes_of("a", LEVEL) == frozenset()
