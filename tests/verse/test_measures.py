import pytest

from kgpt2.evaluation.form_metrics import form_metrics
from kgpt2.verse.measures import (
    characters_repeated,
    is_regulated,
    parallels_kept,
    rhymes_kept,
    same_shape,
    tones_kept,
)

CLIMBING = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"
SPRING = "国破山河在，城春草木深。感时花溅泪，恨别鸟惊心。烽火连三月，家书抵万金。白头搔更短，浑欲不胜簪。"
# The characters of the first one in another order.
MIXED = "一入海里上，楼流白日黄。更目千层山，穷尽欲依河。"


def share(count):
    return count[0] / count[1]


def test_regulated_verse_keeps_its_rules_and_mixed_characters_do_not():
    for text in (CLIMBING, SPRING):
        assert share(tones_kept(text)) == 1
        assert share(rhymes_kept(text)) == 1
    assert share(tones_kept(MIXED)) < 0.9
    assert share(rhymes_kept(MIXED)) == 0


def test_counts():
    assert tones_kept(CLIMBING) == (12, 12)  # two even places and an end of each line
    assert rhymes_kept(SPRING) == (6, 6)  # four rhyming ends, in pairs
    assert characters_repeated("春风春雨春，花") == (2, 6)
    assert characters_repeated("") == (0, 0)


def test_parallels():
    # 两 and 一, 黄 and 白, 鹂 (too rare to count) and 鹭, 翠 and 青.
    assert parallels_kept("两个黄鹂鸣翠柳-一行白鹭上青天")[0] >= 3
    assert share(parallels_kept("明月松间照-清泉石上流")) >= 0.4
    assert share(parallels_kept("花月一山东-不今云马人")) == 0
    assert parallels_kept("明月松间照-明月松间照")[0] == 0, "the same is no parallel"
    assert parallels_kept("漠漠水田飞白鹭-阴阴夏木啭黄鹂")[0] >= 2, "doubled characters are no repetition"
    kept = parallels_kept("明月松间照-清泉石上流")
    assert parallels_kept("明月松间照-清泉石月流") == (0, kept[1]), "a character of the first side in the second"
    assert parallels_kept("明月松明照-清泉石上流")[0] == 0, "twice in a side"
    assert parallels_kept("明月松明照-清泉石清流")[0] > 0, "repeated at the same places of both"
    voided = SPRING.replace("恨别鸟惊心", "恨别鸟惊时")
    assert 0 < parallels_kept(voided)[0] < parallels_kept(SPRING)[0], "one couplet of two"
    assert parallels_kept(CLIMBING) == (0, 0), "a quatrain need not have any"


@pytest.mark.parametrize(
    ("text", "regular"),
    [
        (CLIMBING, True),
        ("明月松间照-清泉石上流", True),
        ("春风又绿江南岸", False),
        ("明月松间照-清泉流", False),
        ("-", False),
        ("", False),
        ("a-b", False),
    ],
)
def test_what_has_rules(text, regular):
    assert is_regulated(text) == regular
    assert sum(tones_kept(text)) == 0 or regular


def test_shapes():
    assert same_shape(CLIMBING, MIXED)
    assert not same_shape(CLIMBING, CLIMBING[:-1])
    assert not same_shape(CLIMBING, CLIMBING.replace("，", "。"))
    assert same_shape("春眠不觉晓,处处闻啼鸟.", "白日依山尽，黄河入海流。")


def test_metrics_over_texts():
    found = form_metrics([CLIMBING, MIXED[:-1], "prose"], [CLIMBING, CLIMBING, "prose"])
    assert found["verses"] == 2
    assert found["form_validity"] == 0.5
    assert found["rhyme"] == 0.5, "a mark that is missing is no matter of rhyme"
    assert found["parallelism"] is None
    assert form_metrics(["prose"], ["prose"]) == {}
