import functools

import numpy as np
import pytest

from kgpt2.errors import RequestError
from kgpt2.verse.plan import plan
from kgpt2.verse.rules import Need, Rules
from kgpt2.verse.sounds import LEVEL, OBLIQUE, rhymes_of

CHARACTERS = [chr(code) for code in range(0x4E00, 0x9FA6)] + ["，", "。", "；", "-"]


@functools.cache
def supply(need: Need) -> int:
    return sum(map(need.allows, CHARACTERS))


LAST = "xxxxxxx。xxxxxxx，xxxxxxx。"


def chosen(rules: Rules, text: str = "", seed: int = 0) -> tuple[Need, ...]:
    return plan(rules, text, supply).choose(np.random.default_rng(seed))


def shown(needs) -> str:
    return "".join(need.given or {LEVEL: "p", OBLIQUE: "z"}.get(need.tone, "x") for need in needs)


@pytest.mark.parametrize(
    ("rules", "text", "rest"),
    [
        (Rules("五绝", tones="off", rhyme="off"), "", "xxxxx，xxxxx。xxxxx，xxxxx。"),
        (Rules("五绝", tones="off", rhyme="off"), "春眠不觉晓，", "xxxxx。xxxxx，xxxxx。"),
        (Rules("七绝", acrostic="春夏", tones="off", rhyme="off"), "", "春xxxxxx，夏xxxxxx。xxxxxxx，xxxxxxx。"),
        (Rules("", acrostic="春夏秋冬", tones="off", rhyme="off"), "春风", "xxxxx，夏xxxxxx。秋xxxxxx，冬xxxxxx。"),
        (Rules("", acrostic="一二三四五", tones="off", rhyme="off"), "一心一意一生一，",
            "二xxxxxx。三xxxxxx，四xxxxxx。五xxxxxx，" + LAST),
        (Rules("对联", tones="off", rhyme="off"), "", "xxxxxxx-xxxxxxx"),
        (Rules("对联", tones="off", rhyme="off"), "春满", "xxxxx-xxxxxxx"),
        (Rules("对联", tones="off", rhyme="off"), "春满神州花似锦", "-xxxxxxx"),
        (Rules("对联", tones="off", rhyme="off"), "春回大地-", "xxxx"),
        (Rules("对联", tones="off", rhyme="off"), "国色天香，姹紫嫣红，碧水青云欣共赏-", "xxxx，xxxx，xxxxxxx"),
        (Rules("对联", tones="off", rhyme="off"), "春回大地-福", "xxx"),
        (Rules("3，2春。", tones="off", rhyme="off"), "江", "xx，xx春。"),
        (Rules("五绝", tones="strict", rhyme="off"), "白日依山尽，黄河", "zzp。xppzz，xzzpp。"),
        (Rules("五绝", tones="strict", rhyme="pingshui"), "白日依山尽，黄河入海流。", "xppzz，xzzpp。"),
        (Rules("五绝", tones="loose", rhyme="off"), "白日依山尽，", "ppxzp。xpxzz，xzzpp。"),
        (Rules("对联", tones="strict", rhyme="off"), "春满神州花似锦-", "xpxzzpp"),
        (Rules("对联", tones="loose", rhyme="off"), "风花雪月国山日-", "xzxpxzp"),
        (Rules("pz，R。zR。", rhyme="pingshui", tones="off"), "", "pz，p。zp。"),
        (Rules("pz，R。zR。"), "", "pz，p。zp。"),
        (Rules("4，7-4，7", acrostic="春福", tones="off"), "", "春xxx，xxxxxxx-福xxx，xxxxxxx"),
        (Rules("4，4-4，4", acrostic="春夏秋冬", tones="off"), "", "春xxx，夏xxx-秋xxx，冬xxx"),
        (Rules("xx春4-4花2", tones="off"), "", "xx春xxxx-xxxx花xx"),
        (Rules("x春5-x月5", tones="strict"), "", "x春xzppz-x月ppzzp"),
        (Rules("6月-6风", tones="strict", acrostic="春夜"), "春江", "xzpp月-夜zppzz风"),
        (Rules("七绝平起首句入韵", tones="strict", rhyme="off"), "", "xpxzzpp，xzppzzp。xzxppzz，xpxzzpp。"),
        (Rules("五绝仄起首句不入韵", tones="strict", rhyme="off"), "", "xzppz，ppzzp。xppzz，xzzpp。"),
        (Rules("七绝首句入韵", tones="strict", rhyme="off"), "春风", "xzzpp，xzppzzp。xzxppzz，xpxzzpp。"),
        (Rules("五绝"), "白日依山尽，", "ppzzp。xppzz，xzzpp。"),
        (Rules("七绝"), "月落乌啼霜满天，", "xpxzzpp。xpxzppz，xzppzzp。"),
    ],
)  # fmt: skip
def test_what_is_open(rules, text, rest):
    assert shown(chosen(rules, text)) == rest


def test_rhymes_are_one_and_follow_the_prompt():
    needs = chosen(Rules("五绝", tones="strict", rhyme="pingshui"), "白日依山尽，黄河入海流。")
    (rhyme,) = {need.rhyme for need in needs if need.rhyme}
    assert rhyme in rhymes_of("流", LEVEL)
    names = set()
    for seed in range(20):
        found = {need.rhyme for need in chosen(Rules("七律", tones="strict", rhyme="modern"), seed=seed) if need.rhyme}
        assert len(found) == 1
        names |= found
    assert len(names) > 3


def test_what_is_given_is_given_where_it_is_repeated():
    supply = lambda need: 9  # noqa: E731
    begun = plan(Rules("xz。=2=2。"), "争", supply).choose(np.random.default_rng(0))
    assert [(need.given, need.back) for need in begun] == [("", 0), ("。", 0), ("争", 0), ("", 3), ("。", 0)]
    with pytest.raises(RequestError, match="叠句"):
        plan(Rules("xz。=2=2。", acrostic="春秋"), "", supply)


def test_every_way_to_be_regulated_is_taken():
    found = {shown(chosen(Rules("五绝", tones="strict", rhyme="off"), seed=seed)) for seed in range(60)}
    assert len(found) == 4


def test_the_same_draw_gives_the_same_plan():
    rules = Rules("七律", tones="loose", rhyme="pingshui")
    assert chosen(rules, seed=5) == chosen(rules, seed=5)


@pytest.mark.parametrize(
    ("rules", "text", "words"),
    [
        (Rules("五绝"), "春眠不觉晓来，", "'来' in line 1 after 5 characters, where '，'"),
        (Rules("五绝"), "春眠不觉晓。", "'。' in line 1 after 5 characters, where '，'"),
        (Rules("五绝"), "春眠，", "'，' in line 1 after 2 characters, where a Chinese character"),
        (Rules("五绝"), "spring", "line 1 begins with 's'"),
        (Rules("5，5。"), "春眠不觉晓，处处闻啼鸟。", "fills the form"),
        (Rules("5，5。"), "春眠不觉晓，处处闻啼鸟。夜来", "longer than the form"),
        (Rules("五绝", tones="strict"), "床前明月光，", "'光' is 平 where 仄 belongs"),
        (Rules("五绝", tones="strict"), "春眠不觉晓，处处闻啼鸟。", "'晓' is 仄 where 平 belongs"),
        (Rules("五绝", tones="strict", rhyme="modern"), "春眠不白晓，", "'白' is 平 where 仄 belongs"),
        (Rules("对联", tones="strict"), "春满神州花似云-", "'云' is 平 where 仄 belongs"),
        (Rules("对联", tones="loose"), "春满神州花似云-", "'云' is 平 where 仄 belongs"),
        (Rules("p5"), "月", "'月' is 仄 where 平 belongs"),
        (Rules("五绝", tones="strict", rhyme="pingshui"), "白日依山尽，黄河入海山。欲穷千里目，更上一层楼", "山、楼"),
        (Rules("五绝", rhyme="pingshui"), "春眠不觉晓，处处闻啼鸟。", "鸟"),
        (Rules("5，5R。", rhyme="off"), "", "--rhyme off"),
        (Rules("五绝", rhyme="一东"), "白日依山尽，黄河入海流。", "流 of the prompt"),
        (Rules("五绝", rhyme="一董"), "", "no 平 rhyme"),
        (Rules("6，6。", rhyme="modern"), "", "nothing rhymes"),
        (Rules("对联", rhyme="modern"), "", "nothing rhymes"),
        (Rules("6，6。", tones="strict"), "", "no regulated verse and no couplet"),
        (Rules("七绝", acrostic="春夏秋冬年"), "", "the form has 4 lines"),
        (Rules("", acrostic="春b"), "", "'b' is no Chinese character"),
        (Rules("七绝", acrostic="春"), "风", "line 1 begins with '风', where '春' belongs"),
        (Rules("春6，7。", acrostic="夏"), "", "'夏' where the form has '春'"),
        (Rules("", acrostic="\u3400夏"), "", "vocabulary has no '\u3400'"),
        (Rules("5！"), "", "vocabulary has no '！'"),
        (Rules("对联"), "国色天香，姹紫嫣红", "put a - behind it"),
        (Rules("对联"), "春满神州花似锦绣", "put a - behind it"),
        (Rules("七绝", tones="strict", acrostic="春月月月"), "东东东", "belongs"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(rules, text, words):
    with pytest.raises(RequestError) as error:
        plan(rules, text, supply)
    assert words in str(error.value)
    assert len(str(error.value).splitlines()) <= 2


def test_a_vocabulary_without_rhymes_or_tones():
    few = "月日雪夜，。"

    def poor(need):
        return sum(map(need.allows, few))

    with pytest.raises(RequestError, match="no characters that rhyme"):
        plan(Rules("五绝", rhyme="pingshui"), "", poor)
    for rules in (Rules("五绝", tones="strict", rhyme="off"), Rules("5p。")):
        with pytest.raises(RequestError, match="has no 平 character"):
            plan(rules, "", poor)


def test_a_character_with_an_unknown_tone_clashes_with_nothing():
    assert plan(Rules("五绝", tones="strict"), "\u3400日依山尽，", supply).length == 18


@pytest.mark.parametrize(
    ("form", "text", "licence"),
    [
        ("七绝", "五湖烟水独忘机，", "忘 is level here"),
        ("七绝", "不为困穷宁有此，", "为 and 宁 by verse's readings"),
        ("七绝", "正是江南好风景，", "锦鲤翻波"),
        ("七绝", "月落乌啼霜满天，", "the first of the five may be level"),
        ("五绝", "野火烧不尽，春风吹又生。", "大拗, saved by 吹"),
    ],
)
def test_tang_takes_what_tang_verse_does(form, text, licence):
    plans = plan(Rules(form, tones="tang", rhyme="pingshui"), text, supply)
    assert not plans.notes, licence


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("野火烧不尽，春风又吹生。", "大拗 that nothing saves"),
        ("独坐幽篁时，", "三平尾"),
        ("独坐空山里，夜琴月复来", "孤平"),
    ],
)
def test_tang_does_not_take_faults(text, why):
    with pytest.raises(RequestError, match="belongs"):
        plan(Rules("五绝", tones="tang"), text, supply)


def test_what_was_not_named_gives_way_and_what_was_named_does_not():
    plans = plan(Rules("五绝"), "床前明月光，疑是地上霜。", supply)
    assert len(plans.notes) == 1
    assert "keeps no pattern" in plans.notes[0]
    needs = plans.choose(np.random.default_rng(0))
    assert needs[-2].rhyme in rhymes_of("霜", LEVEL)
    assert needs[-2].tone == LEVEL
    with pytest.raises(RequestError, match="belongs"):
        plan(Rules("五绝", tones="tang"), "床前明月光，疑是地上霜。", supply)
    plans = plan(Rules("五绝", tones="off"), "白日依山尽，黄河入海山。欲穷千里目，更上一层", supply)
    assert plans.notes == ()
    plans = plan(Rules("七律", tones="off"), "白日依山尽更上，黄河入海东流山。欲穷千里目更上，更上一层天下楼。", supply)
    assert "do not rhyme" in plans.notes[0]
    assert "楼" in plans.notes[0]
    assert plans.choose(np.random.default_rng(0))[-2].rhyme in rhymes_of("楼", LEVEL)


def test_the_first_line_may_rhyme_with_a_neighbour():
    text = "春风又绿江南东，"
    plans = plan(Rules("七绝", tones="off", rhyme="二冬"), text, supply)
    assert {need.rhyme for need in plans.choose(np.random.default_rng(0)) if need.rhyme} == {"上平声二冬"}


def test_rhymes_are_drawn_as_verse_uses_them():
    plans = plan(Rules("五绝"), "", supply)
    drawn = [next(n.rhyme for n in plans.choose(np.random.default_rng(seed)) if n.rhyme) for seed in range(400)]
    narrow = sum(name[-1] in "江佳肴覃盐咸" for name in drawn)
    assert narrow <= 0.03 * len(drawn)
    assert drawn.count("上平声十一真") > 20
