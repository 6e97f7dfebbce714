"""Against famous poems that the handbooks print as examples, and against what they forbid."""

import itertools

import pytest

from kgpt2.verse.meter import couplet_ways, even_patterns, opposite, regulated, rhyme_places, verse_ways
from kgpt2.verse.notation import form_of_text, parse
from kgpt2.verse.sounds import ANY, LEVEL, OBLIQUE, end_tone_of, tone_of

STRICT = [
    "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。",
    "朝辞白帝彩云间，千里江陵一日还。两岸猿声啼不住，轻舟已过万重山。",
    "两个黄鹂鸣翠柳，一行白鹭上青天。窗含西岭千秋雪，门泊东吴万里船。",
    "国破山河在，城春草木深。感时花溅泪，恨别鸟惊心。烽火连三月，家书抵万金。白头搔更短，浑欲不胜簪。",
    "空山新雨后，天气晚来秋。明月松间照，清泉石上流。竹喧归浣女，莲动下渔舟。随意春芳歇，王孙自可留。",
]
OLD_STYLE = [
    "床前明月光，疑是地上霜。举头望明月，低头思故乡。",
    "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。",
]


def patterns(form, tones):
    """Every pattern of every way."""
    for way in verse_ways(form, tones):
        for parts in itertools.product(*way):
            yield {place: tone for part in parts for place, tone in part.items()}


def fits(text: str, tones: str) -> bool:
    known = [
        (end_tone_of if end in "，。" else tone_of)(sign) or ANY
        for sign, end in zip(text, text[1:] + "。", strict=True)
    ]
    return any(
        all(known[place] & tone for place, tone in pattern.items()) for pattern in patterns(form_of_text(text), tones)
    )


@pytest.mark.parametrize("text", STRICT, ids=lambda text: text[:5])
def test_regulated_verse_is_regulated(text):
    assert fits(text, "loose")
    assert fits(text, "tang")


def test_most_of_it_strictly():
    # 王维 has 清泉石上流 by the book; 竹喧归浣女 begins on 仄 where 平 may stand, and so on.
    assert [text[:5] for text in STRICT if not fits(text, "strict")] == []


@pytest.mark.parametrize("text", OLD_STYLE, ids=lambda text: text[:5])
def test_old_style_verse_is_not(text):
    assert not fits(text, "loose")
    assert not fits(text, "tang")


LICENSED = {
    "锦鲤翻波": "岐王宅里寻常见，崔九堂前几度闻。正是江南好风景，落花时节又逢君。",
    "大拗": "向晚意不适，驱车登古原。夕阳无限好，只是近黄昏。",
    "小拗": "移舟泊烟渚，日暮客愁新。野旷天低树，江清月近人。",
    "孤平拗救": "故人具鸡黍，邀我至田家。绿树村边合，青山郭外斜。开轩面场圃，把酒话桑麻。待到重阳日，还来就菊花。",
}


@pytest.mark.parametrize("name", LICENSED)
def test_what_tang_verse_takes_besides_the_table(name):
    assert fits(LICENSED[name], "tang")
    assert not fits(LICENSED[name], "strict")


def test_each_line_is_opposed_within_and_adheres_between_couplets():
    for form in ("五绝", "七绝", "五律", "七律", "五排14", "七排", "七绝首句入韵"):
        slots = parse(form)
        length = 5 if "五" in form else 7
        for pattern in even_patterns(slots):
            seconds = [pattern[place] for place in range(1, len(slots), length + 1)]
            for couplet in range(0, len(seconds), 2):
                assert seconds[couplet] == opposite(seconds[couplet + 1])
            for before in range(1, len(seconds) - 1, 2):
                assert seconds[before] == seconds[before + 1]
            ends = [pattern[place] for place in range(length - 1, len(slots), length + 1)]
            assert ends[1::2] == [LEVEL] * (len(ends) // 2)
            assert ends[2::2] == [OBLIQUE] * (len(ends) // 2 - 1)


def test_no_line_ends_on_three_of_a_tone_or_has_a_lonely_level():
    for form, length in (("五绝", 5), ("七律", 7)):
        for pattern in patterns(parse(form), "strict"):
            for start in range(0, len(parse(form)), length + 1):
                line = [pattern.get(place, ANY) for place in range(start, start + length)]
                assert len(set(line[-3:])) > 1
                if line[-4:] == [LEVEL, OBLIQUE, OBLIQUE, LEVEL]:  # 乙: what stands before must be level
                    assert line[-5] == LEVEL


def test_the_first_line_rhymes_where_it_ends_on_a_level_tone():
    form = parse("五绝")
    found = {len(rhyme_places(form, pattern)) for pattern in patterns(form, "strict")}
    assert found == {2, 3}
    assert rhyme_places(form, None) == [10, 22]


@pytest.mark.parametrize("tones", ["loose", "strict"])
@pytest.mark.parametrize("form", ["对联", "5-5", "4，7-4，7", "1-1", "3，3，6-3，3，6"])
def test_the_sides_of_a_couplet_are_opposed(form, tones):
    slots = parse(form)
    half = len(slots) // 2 + 1
    for ways in couplet_ways(slots, tones):
        assert ways
        for pattern in (pattern for ((pattern,),) in ways):
            held = {place: tone for place, tone in pattern.items() if place < half and place + half in pattern}
            assert held
            assert all(pattern[place + half] == opposite(tone) for place, tone in held.items())
    last = couplet_ways(slots, tones)[-1]
    assert {(pattern[half - 2], pattern[len(slots) - 1]) for ((pattern,),) in last} == {(OBLIQUE, LEVEL)}


def test_what_is_regulated():
    for form in ("7，7；7，7！", "五排", "七排10", "5，5。" * 8):
        assert regulated(parse(form))
    for other in ("5，5。" * 3, "5，5。" * 5 + "5，", "6，6。6，6。", "5，5。5。", "5，7。5，7。", "5，5-5，5", "对联"):
        assert not regulated(parse(other))
