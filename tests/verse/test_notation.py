import pytest

from kgpt2.errors import RequestError
from kgpt2.verse.notation import form_of_text, lines_of, parse, shape_of
from kgpt2.verse.sounds import ANY, LEVEL, OBLIQUE


@pytest.mark.parametrize(
    ("pattern", "shape"),
    [
        ("五绝", "5，5。5，5。"),
        ("七絕", "7，7。7，7。"),
        ("五言律诗", "5，5。" * 4),
        ("七律", "7，7。" * 4),
        ("五言排律", "5，5。" * 6),
        ("七排10", "7，7。" * 5),
        ("七言絕句首句入韻", "7，7。7，7。"),
        ("對聯", "7-7"),
        ("7,7.7,7.", "7，7。7，7。"),
        (" 4，7 - 4，7 ", "4，7-4，7"),
        ("12、x春pzRr！", "12、6！"),
    ],
)
def test_the_shape_of_a_pattern(pattern, shape):
    assert shape_of(parse(pattern)) == shape


def test_what_stands_at_a_place():
    assert parse("５，５。") == parse("5，5。")
    slots = parse("2春pzRr。")
    assert [slot.given for slot in slots] == ["", "", "春", "", "", "", "", ""]
    assert [slot.tone for slot in slots[3:7]] == [LEVEL, OBLIQUE, LEVEL, OBLIQUE]
    assert [slot.rhyme for slot in slots] == [""] * 5 + ["R", "r", ""]
    assert slots[0].tone == ANY
    assert slots[-1].mark == "。"
    assert lines_of(parse("2，3。")) == [[0, 1], [3, 4, 5]]


def test_a_place_that_repeats_another():
    slots = parse("zr1。=2=2。x")
    assert [slot.back for slot in slots] == [0, 0, 0, 3, 3, 0, 0]
    assert [(slot.tone, slot.rhyme) for slot in slots[3:5]] == [(OBLIQUE, ""), (OBLIQUE, "1")]
    # A count of characters needs a space behind it.
    assert len(parse("5。=1 5。")) == 13


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("", "neither a name"),
        ("=1x", "a character that is not there"),
        ("xx=x", "a character that is not there"),
        ("xx=3", "a character that is not there"),
        ("西江水", "neither a name"),
        ("，。", "neither a name"),
        ("春，夏", "neither a name"),
        ("7a", "'a' means nothing"),
        ("0，5", "0 characters in a row"),
        ("101", "101 characters in a row"),
        ("99999999999", "characters in a row"),
        ("7-5", "equal length"),
        ("4，3-3，4", "equal length"),
        ("5-5-5", "equal length"),
        ("五排11", "an even number from 10"),
        ("五排8", "an even number from 10"),
        ("五绝6", "lines of a 五绝: 4"),
        ("5，\u0000", "means nothing"),
    ],
)
def test_what_the_notation_does_not_allow(pattern, words):
    with pytest.raises(RequestError, match=words):
        parse(pattern)


@pytest.mark.parametrize(
    ("name", "second", "last"),
    [
        ("七绝首句入韵", ANY, LEVEL),
        ("五律首句不入韵", ANY, OBLIQUE),
        ("七绝平起首句不入韵式", LEVEL, OBLIQUE),
        ("五排20仄起首句入韵", OBLIQUE, LEVEL),
    ],
)
def test_a_name_says_how_the_first_line_begins_and_ends(name, second, last):
    slots = parse(name)
    first = lines_of(slots)[0]
    assert (slots[1].tone, slots[first[-1]].tone) == (second, last)
    assert {slot.tone for place, slot in enumerate(slots) if place not in (1, first[-1])} == {ANY}


def test_the_form_of_a_text():
    assert form_of_text("春眠不觉晓，处处闻啼鸟。") == parse("5，5。")
    assert form_of_text("丹枫江冷人初去-绿柳堤新燕复来") == parse("对联")
    assert form_of_text("3-3") != form_of_text("春夏秋-冬风雨")


@pytest.mark.parametrize(
    ("given", "meant"),
    [("七决", "七绝"), ("五言", "五绝"), ("如梦", "如梦令"), ("沁园秋", "沁园春"), ("春风", ""), ("春", "")],
)
def test_a_near_name_is_suggested(given, meant):
    with pytest.raises(RequestError) as caught:
        parse(given)
    first = str(caught.value).splitlines()[0]
    assert first.endswith(f"open places; did you mean {meant}?" if meant else "open places")
