"""Famous ci keep their tunes; one changed character is found at its place."""

import json

import pytest

from kgpt2.verse.check import check

CI = {
    "如梦令": "常记溪亭日暮，沉醉不知归路。兴尽晚回舟，误入藕花深处。争渡，争渡，惊起一滩鸥鹭。",
    "浣溪沙": "漠漠轻寒上小楼，晓阴无赖似穷秋。淡烟流水画屏幽。自在飞花轻似梦，无边丝雨细如愁。宝帘闲挂小银钩。",
    "菩萨蛮": (
        "平林漠漠烟如织，寒山一带伤心碧。暝色入高楼，有人楼上愁。玉阶空伫立，宿鸟归飞急。何处是归程，长亭更短亭。"
    ),
    "西江月": (
        "明月别枝惊鹊，清风半夜鸣蝉。稻花香里说丰年，听取蛙声一片。"
        "七八个星天外，两三点雨山前。旧时茅店社林边，路转溪桥忽见。"
    ),
}


@pytest.mark.parametrize("name", CI)
def test_a_tune_is_found_and_kept(name):
    for form in ("", name):
        found = check(CI[name], form)
        assert (found.form, found.regulated) == (name, True)
        assert {fault.kind for fault in found.faults} <= {"重韵"}


def test_level_and_oblique_rhyme_together():
    assert check(CI["西江月"]).rhyme.name == "第七部"
    assert check(CI["菩萨蛮"]).rhyme.name.count("、") >= 2


@pytest.mark.parametrize(
    ("old", "new", "kind", "line", "place"),
    [("小银钩", "小银谁", "出韵", 6, 7), ("似穷秋", "似水秋", "出律", 2, 6), ("画屏幽", "画屏去", "出律", 3, 7)],
)
def test_what_a_ci_breaks(old, new, kind, line, place):
    found = check(CI["浣溪沙"].replace(old, new), "浣溪沙")
    assert not found.regulated
    assert (kind, line, place, new[place - 5]) in [
        (one.kind, one.line, one.place, one.character) for one in found.faults
    ]


def test_a_neighbouring_part_is_a_licence():
    # 秦观 rhymes 外退碎带 with 对会盖在改海: 灰 as one, which 词林正韵 splits.
    found = check(
        "水边沙外。城郭春寒退。花影乱，莺声碎。飘零疏酒盏，离别宽衣带。人不见，碧云暮合空相对。"
        "忆昔西池会。鹓鹭同飞盖。携手处，今谁在。日边清梦断，镜里朱颜改。春去也，飞红万点愁如海。",
        "千秋岁",
    )
    assert found.regulated
    assert sum("邻韵" in line.licences for line in found.lines) >= 3


def test_lines_may_be_cut_as_other_ci_cut_them():
    ci = (
        "明月几时有，把酒问青天。不知天上宫阙，今夕是何年。我欲乘风归去，又恐琼楼玉宇，高处不胜寒。起舞弄清影，何似在人间。"
        "转朱阁，低绮户，照无眠。不应有恨，何事长向别时圆。人有悲欢离合，月有阴晴圆缺，此事古难全。但愿人长久，千里共婵娟。"
    )
    found = check(ci, "水调歌头")
    assert found.regulated
    assert [number for number, line in enumerate(found.lines, 1) if line.licences] == [13, 14]
    assert check(ci).form == "水调歌头"
    # Cut where no ci does, or across a rhyme, it is another form.
    assert check(ci.replace("不知天上宫阙，", "不知，天上宫阙"), "水调歌头").faults[0].kind == "形式"
    assert (
        check(ci.replace("把酒问青天。不知天上宫阙，", "把酒问青，天不知天上宫阙。"), "水调歌头").faults[0].kind
        == "形式"
    )


@pytest.mark.parametrize(
    ("name", "ci"),
    [
        (
            "忆秦娥",
            "箫声咽，秦娥梦断秦楼月。秦楼月，年年柳色，灞陵伤别。乐游原上清秋节，咸阳古道音尘绝。音尘绝，西风残照，汉家陵阙。",
        ),
        ("调笑令2", "胡马，胡马，远放燕支山下。咆沙咆雪独嘶，东望西望路迷。迷路，迷路，边草无穷日暮。"),
    ],
)
def test_repeats_are_kept(name, ci):
    found = check(ci, name)
    assert found.regulated
    assert found.faults == ()


def test_a_repeat_that_is_missing():
    found = check(CI["如梦令"].replace("争渡，争渡", "争渡，争路"))
    assert (found.form, found.regulated) == ("如梦令", False)
    assert ("叠句", 6, 2, "路") in [(one.kind, one.line, one.place, one.character) for one in found.faults]
    assert "叠句" in found.lines[5].faults


def test_a_tune_with_as_many_characters_is_another():
    assert check(CI["西江月"], "少年游").faults[0].kind == "形式"


def test_another_tune_is_another_form():
    assert check(CI["西江月"], "浣溪沙").faults[0].kind == "形式"


def test_a_quatrain_is_never_taken_for_a_tune():
    assert check("渭城朝雨浥轻尘，客舍青青柳色新。劝君更尽一杯酒，西出阳关无故人。").form == "七绝"


def test_what_is_written_keeps_its_tune(kgpt2):
    told = kgpt2("generate", "", "--form", "西江月", "-n", 4, "--seed", 3, "--json")
    for line in told.out.splitlines():
        found = json.loads(kgpt2("verse", "check", json.loads(line)["text"], "--form", "西江月", "--json").out)
        assert found["form"] == "西江月"
        assert found["faults"] == []
