"""A beginning that cuts its lines as other ci do, and pauses (、), in what is written and in what is checked."""

import pytest

from kgpt2.verse.check import check
from kgpt2.verse.cutting import cut_like
from kgpt2.verse.notation import parse, shape_of

RHYMED = "xxz，xzr1。xzr1。"


@pytest.mark.parametrize(
    ("form", "text", "shape"),
    [
        ("水调歌头", "", "5，5。6，5。"),
        ("水调歌头", "明月几时有，把酒问青天。不知天上，今夕", "5，5。4，7。"),
        ("水调歌头", "明月几时有，把酒问青天。不知天", "5，5。6，5。"),
        ("念奴娇", "大江东去，浪淘尽、千古风流人物。", "4，3、6。"),
        ("念奴娇", "大江东去，浪淘尽、千古", "4，3、2，4。"),
        (RHYMED, "春风、", "2、1，3。3。"),
        (RHYMED, "春风花、", "3、3。3。"),
        # No pause begins a line, and regulated verse has none.
        (RHYMED, "春风花，、", "3，3。3。"),
        ("五绝", "春风、", "5，5。5，5。"),
    ],
)
def test_a_form_is_cut_like_the_beginning(form, text, shape):
    assert shape_of(cut_like(form, text)).startswith(shape)


def test_a_repeat_across_a_pause():
    slots = cut_like("xr1。=2=2。", "争、")
    assert [slot.back for slot in slots] == [0, 0, 0, 0, 4, 3, 0]


def test_a_pause_is_read_over_or_ends_a_line():
    ci = "自在飞花轻似梦，无边丝雨细如愁。宝帘闲挂小银钩。"
    first = "漠漠轻寒上小楼，晓阴无赖似穷秋。淡烟流水画屏幽。"
    for text in (first + ci, first.replace("上小楼", "、上小楼") + ci, first.replace("上小楼，", "上小楼、") + ci):
        found = check(text, "浣溪沙")
        assert (found.form, found.regulated, found.text) == ("浣溪沙", True, text)
        assert [len(line.text) for line in found.lines] == [7] * 6


def test_what_is_begun_with_a_pause_is_written_on(kgpt2):
    text = kgpt2("generate", "大江东去，浪淘尽、千古", "--form", "念奴娇", "--seed", 1).out.strip()
    assert text.startswith("大江东去，浪淘尽、千古")
    assert len(text) == len(parse("念奴娇")) + 1
    assert check(text, "念奴娇").regulated
