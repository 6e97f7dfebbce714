"""Against what a dictionary says of well-known characters."""

import pytest

from kgpt2.verse.sounds import ANY, LEVEL, OBLIQUE, readings, rhyme_system, rhymes, rhymes_of, tone_of


@pytest.mark.parametrize(
    ("characters", "tone"),
    [
        ("春风山花天人流楼光霜乡", LEVEL),
        ("月雨夜日白一不入国绿竹雪独", OBLIQUE),  # 入声 among them, which Mandarin has lost
        ("思看教长重", ANY),
    ],
)
def test_classical_tones(characters, tone):
    assert {character: tone_of(character) for character in characters} == dict.fromkeys(characters, tone)


@pytest.mark.parametrize(
    ("characters", "tone"),
    [("为忘望醒令予任供便漫旋听过", ANY), ("期茶三啼先", LEVEL), ("坞泛不", OBLIQUE)],
)
def test_tones_as_verse_has_them(characters, tone):
    """Typed from counts that were made apart from these tables: what fixed readings get wrong."""
    assert {character: tone_of(character) for character in characters} == dict.fromkeys(characters, tone)


def test_rhymes_as_verse_has_them():
    rhyming = ("啼堤", "先燃禅", "樽门", "炉湖", "葱风", "昂光", "惭南", "才来", "浮流", "平声")
    for one, *others in rhyming:
        assert all(rhymes_of(one, LEVEL) & rhymes_of(other, LEVEL) for other in others), one
    for one, other in ("才咸", "浮虞", "禅寒", "平先", "逢江"):
        assert not rhymes_of(one, LEVEL) & rhymes_of(other, LEVEL), one + other


def test_the_book_speaks_where_verse_is_silent():
    assert readings(19, 0, ANY) == ANY
    assert readings(20, 0, ANY) == readings(97, 2, ANY) == LEVEL
    assert readings(97, 4, LEVEL) == ANY
    assert readings(0, 0, 0) == 0


def test_modern_tones_are_mandarins():
    assert [tone_of(character, "modern") for character in "白竹国一"] == [LEVEL] * 4
    assert [tone_of(character, "modern") for character in "月绿子卜"] == [OBLIQUE] * 4
    assert [tone_of(character, "modern") for character in "宁寧中长長为爲"] == [ANY] * 7
    for sign in "春月宁子":
        assert tone_of(sign, "tongyun") == tone_of(sign, "modern")


@pytest.mark.parametrize(("simplified", "traditional"), ["风風", "云雲", "叶葉", "难難", "万萬"])
def test_simplified_and_traditional_sound_alike(simplified, traditional):
    assert tone_of(simplified) & tone_of(traditional)
    for tone in (LEVEL, OBLIQUE):
        assert rhymes_of(traditional, tone) <= rhymes_of(simplified, tone)


def test_rhymes():
    assert rhymes_of("光", LEVEL) & rhymes_of("霜", LEVEL) & rhymes_of("乡", LEVEL)
    # 东 and 冬 sound alike today; in 平水韵 they are two rhymes, which Song verse mixes at times.
    assert not rhymes_of("东", LEVEL) & rhymes_of("冬", LEVEL)
    assert rhymes_of("东", LEVEL, "modern") & rhymes_of("冬", LEVEL, "modern")
    assert not rhymes_of("知", LEVEL, "modern") & rhymes_of("衣", LEVEL, "modern")
    assert not rhymes_of("光", OBLIQUE)


def test_the_numbers_of_rhymes():
    assert (len(rhymes(LEVEL)), len(rhymes(OBLIQUE))) == (30, 76)
    assert len(rhymes(LEVEL, "modern")) == len(rhymes(OBLIQUE, "modern")) == 14
    assert len(rhymes(LEVEL, "tongyun")) == len(rhymes(OBLIQUE, "tongyun")) == 16


@pytest.mark.parametrize(
    ("rhyme", "characters"),
    [
        *(("一啊", "花家"), ("二喔", "多波"), ("三鹅", "歌斜"), ("四衣", "知期"), ("五乌", "湖书"), ("六迂", "鱼居")),
        *(
            ("七哀", "来怀"),
            ("八欸", "飞归"),
            ("九熬", "高桥"),
            ("十欧", "楼秋"),
            ("十一安", "天关"),
            ("十二恩", "春人"),
        ),
        *(("十二恩", "春人"), ("十三昂", "光乡"), ("十四英", "风声"), ("十五雍", "东穷"), ("十六儿", "儿")),
    ],
)
def test_the_rhymes_of_tongyun(rhyme, characters):
    assert [rhymes_of(character, LEVEL, "tongyun") for character in characters] == [{rhyme}] * len(characters)
    assert rhyme_system(rhyme) == rhyme_system(rhyme[-1]) == ("tongyun", rhyme)


def test_what_is_no_character_has_no_sound():
    assert tone_of("，") == tone_of("a") == tone_of("") == 0
    assert rhymes_of("a", LEVEL) == frozenset()
