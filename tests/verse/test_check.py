"""Famous poems, of which the handbooks say what they keep and break."""

import pytest

from kgpt2.verse.check import check
from kgpt2.verse.misfit import misfit
from kgpt2.verse.tunes import tunes


def kinds(text: str, **options) -> list[tuple[str, int]]:
    return [(fault.kind, fault.line) for fault in check(text, **options).faults]


REGULATED = {
    "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。": "五绝",
    "月落乌啼霜满天，江枫渔火对愁眠。姑苏城外寒山寺，夜半钟声到客船。": "七绝",
    "国破山河在，城春草木深。感时花溅泪，恨别鸟惊心。烽火连三月，家书抵万金。白头搔更短，浑欲不胜簪。": "五律",
    "风急天高猿啸哀，渚清沙白鸟飞回。无边落木萧萧下，不尽长江滚滚来。万里悲秋常作客，百年多病独登台。"
    "艰难苦恨繁霜鬓，潦倒新停浊酒杯。": "七律",
    "向晚意不适，驱车登古原。夕阳无限好，只是近黄昏。": "五绝",
    "移舟泊烟渚，日暮客愁新。野旷天低树，江清月近人。": "五绝",
    "春满神州花似锦-福临大地柳如烟": "对联",
}


@pytest.mark.parametrize("text", REGULATED, ids=lambda text: text[:5])
def test_regulated_verse(text):
    found = check(text)
    assert (found.form, found.regulated, found.faults) == (REGULATED[text], True, ())
    assert all(len(line.tones) == len(line.text) for line in found.lines)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("渭城朝雨浥轻尘，客舍青青柳色新。劝君更尽一杯酒，西出阳关无故人。", [("失粘", 3)]),
        ("独怜幽草涧边生，上有黄鹂深树鸣。春潮带雨晚来急，野渡无人舟自横。", [("失粘", 3)]),
        ("白日依山尽，黄河入海流。欲穷千里目，更上一层山。", [("出韵", 4)]),
        ("白日依山尽，黄河入海流。欲穷千里目，更上海东流。", [("重韵", 4)]),
        ("白日依山尽，夜河入海流。欲穷千里目，更上一层楼。", [("孤平", 2)]),
        ("白日依山尽，黄河入海流。欲穷千里目，更上高层楼。", [("三平尾", 4)]),
        ("向晚意不适，驱车到古原。夕阳无限好，只是近黄昏。", [("大拗不救", 1)]),
        ("白日依山尽，黄河入海流。欲穷千里目，更上一月楼。", [("出律", 4)]),
        ("春满神州花似锦-春临大地柳如烟", [("同位重字", 2)]),
        ("春满神州花似锦-福临大地柳如雪", [("出律", 2)]),
    ],
)
def test_faults_by_name(text, faults):
    assert kinds(text) == faults
    assert check(text).regulated == all(kind in ("重韵", "同位重字") for kind, _ in faults)


def test_licences_by_name():
    found = check("离离原上草，一岁一枯荣。野火烧不尽，春风吹又生。远芳侵古道，晴翠接荒城。又送王孙去，萋萋满别情。")
    assert found.regulated
    assert [line.licences for line in found.lines[2:4]] == [("大拗",), ("对句救",)]
    assert "".join(line.type for line in found.lines) == "丙丁甲乙丙丁甲乙"
    assert found.rhyme.name == "下平声八庚"
    for text, place, name in (
        ("移舟泊烟渚，日暮客愁新。野旷天低树，江清月近人。", 0, "锦鲤翻波"),
        ("故人具鸡黍，邀我至田家。绿树村边合，青山郭外斜。", 0, "锦鲤翻波"),
        ("渭城朝雨浥轻尘，客舍青青柳色新。劝君更尽一杯酒，西出阳关无故人。", 2, "小拗"),
    ):
        assert check(text).lines[place].licences[0] == name


def test_a_break_of_adherence_alone_is_named_and_stays_a_fault():
    found = check("渭城朝雨浥轻尘，客舍青青柳色新。劝君更尽一杯酒，西出阳关无故人。")
    assert "折腰" in found.lines[2].licences
    assert not found.regulated
    # 失粘 beside a wrong tone is no 折腰.
    other = check("渭城朝雨浥轻尘，客舍青青柳色新。劝君更尽一杯酒，西出阳路无故人。")
    assert {fault.kind for fault in other.faults} >= {"失粘"}
    assert "折腰" not in other.lines[2].licences


def test_parallel_lines_that_say_the_same():
    assert ("合掌", 2) in kinds("朝看红日出-晓望赤阳升")
    assert ("合掌", 2) not in kinds("春满神州花似锦-福临大地柳如烟")
    assert ("合掌", 2) not in kinds("蝉噪林逾静-鸟鸣山更幽")


@pytest.mark.parametrize(
    "text",
    [
        "床前明月光，疑是地上霜。举头望明月，低头思故乡。",
        "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。",
        "千山鸟飞绝，万径人踪灭。孤舟蓑笠翁，独钓寒江雪。",
    ],
)
def test_old_style_verse_is_not_regulated(text):
    assert not check(text).regulated


def test_forms_that_are_asked_for_and_notes_that_are_not_verse():
    text = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"
    assert kinds(text, form="七绝") == [("形式", 1)]
    assert kinds(text, form="五绝") == []
    assert check(text.replace("流。", "流（一作：留）。")).regulated
    assert check("江南好，风景旧曾谙。").form == "3，5。"
    assert check("江南好，风景旧曾谙。").regulated is False
    assert check(text, rhyme="off").rhyme.name == ""


BELLS = (
    "善鼓云和瑟，常闻帝子灵。冯夷空自舞，楚客不堪听。苦调凄金石，清音入杳冥。"
    "苍梧来怨慕，白芷动芳馨。流水传潇浦，悲风过洞庭。曲终人不见，江上数峰青。"
)


def test_a_long_poem_is_regulated_as_a_short_one():
    found = check(BELLS)
    assert (found.form, found.regulated, found.rhyme.name) == ("五排", True, "下平声九青")
    assert kinds(BELLS, form="五言排律") == []
    assert kinds(BELLS, form="五排10") == [("形式", 0)]
    assert kinds(BELLS.replace("苍梧来怨慕，白芷动芳馨。", "")) == [("失粘", 7)]


def test_a_form_says_whether_the_first_line_rhymes():
    text = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"
    assert kinds(text, form="五绝首句不入韵") == kinds(text, form="五绝仄起首句不入韵") == []
    assert kinds(text, form="五绝首句入韵") == [("形式", 1)]
    assert kinds(text, form="五绝平起首句不入韵") == [("形式", 1)]
    assert kinds(text, form="白4，5。5，5。") == []
    assert kinds(text, form="红4，5。5，5。") == [("形式", 1)]


def test_a_first_line_that_ends_in_either_tone_is_taken_as_the_rhyme_has_it():
    # 看 is level or oblique: here it does not rhyme, so the line is one that ends obliquely.
    text = "东风送雨过江看，一阵微阴破晓衾。花柳依依春意满，不知新恨与谁深。"
    assert (check(text).faults, check(text).lines[0].type) == ((), "甲")


def test_the_first_line_may_rhyme_with_a_neighbour():
    text = "众芳摇落独暄妍，占尽风情向小园。疏影横斜水清浅，暗香浮动月黄昏。"
    assert [(fault.line, fault.character) for fault in check(text).rhyme.faults] == []
    assert check(text).lines[0].licences == ("邻韵",)


def test_a_neighbour_that_verse_often_takes_is_a_licence_in_any_line():
    found = check("寥落古行宫，宫花寂寞红。白头宫女在，闲坐说玄宗。")
    assert (found.regulated, found.rhyme.name, found.lines[3].licences) == (True, "上平声一东", ("邻韵",))
    # 封 rhymes with 东 too seldom for that, and with 词林正韵 both are one part.
    other = "寥落古行宫，宫花寂寞红。白头宫女在，闲坐说东封。"
    assert kinds(other) == [("出韵", 4)]
    assert kinds(other, rhyme="cilin") == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("终南阴岭秀，积雪浮云端。林表明霁色，城中增暮寒。", ("三平尾", 2)),
        ("泠泠七弦上，静听松风寒。古调虽自爱，今人多不弹。", ("三平尾", 2)),
        ("昨夜裙带解，今朝蟢子飞。铅华不可弃，莫是藁砧归。", ("大拗不救", 1)),
        ("怀君属秋夜，散步咏凉天。空山松子落，幽人应未眠。", ("出律", 3)),
        ("君家何处住，妾住在横塘。停船暂借问，或恐是同乡。", ("失粘", 3)),
        ("少小离家老大回，乡音无改鬓毛衰。儿童相见不相识，笑问客从何处来。", ("出韵", 2)),
        ("故人西辞黄鹤楼，烟花三月下扬州。孤帆远影碧空尽，唯见长江天际流。", ("出律", 1)),
    ],
)
def test_the_300_tang_poems_that_break_one_rule(text, fault):
    assert kinds(text) == [fault]


def test_a_couplet_that_is_asked_for_may_have_a_comma_between_its_sides():
    for text in ("海内存知己，天涯若比邻", "海内存知己，天涯若比邻。", "海内存知己-天涯若比邻"):
        found = check(text, "对联")
        assert (found.form, found.regulated, found.faults) == ("对联", True, ())
    faults = check("春风得意马蹄疾，一日看尽长安花", "对联").faults
    assert [(one.kind, one.line, one.place, one.character) for one in faults] == [
        ("出律", 2, 4, "尽"),
        ("出律", 2, 6, "安"),
    ]
    # Without the form they may be a part of any poem; sides of two lengths are none.
    assert check("海内存知己，天涯若比邻").form == "5，5"
    assert kinds("海内存知己，天涯若比", form="对联") == [("形式", 1)]


def test_a_question_ends_a_poem_as_a_statement_does():
    assert kinds("白日依山尽，黄河入海流。欲穷千里目，更上一层楼？", form="五绝") == []


def test_the_line_that_does_not_fit_the_form_is_named():
    text = "常记溪亭日暮，沉醉不知归路。兴尽晚回舟，误入藕花深处。争渡，争渡，惊起了一滩鸥鹭。"
    found = check(text, "如梦令")
    assert [(one.kind, one.line, one.place, one.character) for one in found.faults] == [("形式", 7, 0, "")]
    assert found.lines[6].faults == ("形式",)
    assert misfit([line.text for line in found.lines], "如梦令") == (7, 6, 7)
    assert misfit(["白日依山尽", "黄河入海流"], "五绝") == (0, 4, 2)
    # 不应有恨，何事长向别时圆 is cut otherwise than the tune, as other ci are; the line that is too short is another.
    ci = [
        "明月几时有",
        "把酒问青天",
        "不知天上宫阙",
        "今夕是何年",
        "我欲乘风归去",
        "又恐琼楼玉宇",
        "高处不胜寒",
        "起舞弄清影",
        "何似在人间",
        "转朱阁",
        "低绮户",
        "照无眠",
        "不应有恨",
        "何事长向别时圆",
        "人有悲欢离合",
        "月有阴晴圆缺",
        "此事古难全",
        "但愿人长久",
        "千里共婵娟",
    ]
    assert misfit(ci, "水调歌头") is None
    assert misfit([*ci[:-1], "千里婵娟"], "水调歌头") == (19, 5, 4)
    assert all(misfit(["春"], name) for name in tunes())
    assert misfit(["白日依山尽", "黄河入海流"] * 2, "五绝") is None
