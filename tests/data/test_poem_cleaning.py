import pytest

from kgpt2.data.poetry.cleaning import clauses, clean

GOOD = ["春眠不覺曉，處處聞啼鳥。", "夜來風雨聲，花落知多少。"]
REST = "處處聞啼鳥。夜來風雨聲，花落知多少。"


def test_a_good_poem_becomes_one_line():
    assert clean(GOOD) == ("".join(GOOD), (), "")
    assert clean(["𠮷日兮辰良？", "「舉頭！」《望》明月；低頭：", "思、故鄉。"])[2] == ""


@pytest.mark.parametrize(
    ("paragraphs", "text", "rules"),
    [
        (["春眠（一作「東風（又作西）」）不覺曉，" + REST], "春眠不覺曉，" + REST, ("notes removed",)),
        (["春眠（按：注", "在此。）不覺曉，", REST], "春眠不覺曉，" + REST, ("notes removed",)),
        (["春眠不覺曉", "，" + REST], "春眠不覺曉，" + REST, ("paragraphs joined",)),
        (["春眠〖1〗不覺曉[12]，〔黄鍾爲宮三奏〕", REST], "春眠不覺曉，" + REST, ("notes removed",)),
        (["春眠[不]覺［曉］，", REST], "春眠不覺曉，" + REST, ("supplied characters kept",)),
        (
            ["春眠不覺曉,處處聞啼鳥.".replace(".", "．"), '"夜來"風雨聲!花落(云)知"多少?'],
            "春眠不覺曉，處處聞啼鳥。“夜來”風雨聲！花落知多少？",
            ("ASCII marks made full-width", "notes removed"),
        ),
        (["飄風坲々兮，", REST], "飄風坲坲兮，" + REST, ("iteration marks written out",)),
        (["春眠--不覺曉，", REST], "春眠——不覺曉，" + REST, ("dashes made full-width",)),
        (["春眠不覺曉/，", REST], "春眠不覺曉，" + REST, ("stray slashes removed",)),
        (["春眠不覺曉？。" + REST + "。"], "春眠不覺曉？" + REST, ("repeated stops",)),
        (["春眠不覺曉，。" + REST], "春眠不覺曉。" + REST, ("repeated stops",)),
        (["春眠 不覺曉，\n", "\u3000" + REST], "春眠不覺曉，" + REST, ("spaces removed",)),
    ],
)
def test_what_can_be_mended_is(paragraphs, text, rules):
    assert clean(paragraphs) == (text, rules, "")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("春眠□覺曉，", "gap"),
        ("春眠●覺曉，", "gap"),
        ("春眠○覺曉，", "gap"),
        ("……不覺曉，", "gap"),
        ("春眠{艹/尔}覺曉，", "component description"),
        ("春眠{炙火=肉}覺曉，", "component description"),
        ("春眠⿰木養覺曉，", "component description"),
        ("春眠<囗贵>覺曉，", "component description"),
        ("春眠\ue829覺曉，", "private use character"),
        ("春眠\U000f0001覺曉，", "private use character"),
        ("春眠\ufffd覺曉，", "mojibake"),
        ("春眠け覺曉，", "mojibake"),
        ("春眠Н覺曉，", "mojibake"),
        ("春眠┾覺曉，", "mojibake"),
        ("春眠ㄐ覺曉，", "mojibake"),
        ("春眠﹀覺曉，", "mojibake"),
        ("春眠ff。", "Latin letters or digits"),
        ("有[H。70x]氊。", "Latin letters or digits"),
        ("（春眠不覺曉，", "unbalanced note"),
        ("春眠不覺曉），", "unbalanced note"),
        ("春眠=覺曉，", "stray marks"),
        ("春眠*覺曉，", "stray marks"),
        ("春眠|覺曉，", "stray marks"),
        ("春眠+覺曉，", "stray marks"),
        ("？眠不覺曉，", "begins with a stop"),
        ("詩題：龍巖寺首句：直上龍巖第，", "mention of a lost poem"),
        ("見《太平廣記》卷四八九引，", "prose"),
        ("是稿初印於丙子歲當時收詩止二百七十有奇暫分七卷，", "prose"),
    ],
)
def test_what_cannot_be_mended_is_dropped_with_its_reason(line, reason):
    assert clean([line, REST])[::2] == ("", reason)


@pytest.mark.parametrize(
    ("paragraphs", "reason"),
    [
        ([], "empty"),
        ([""], "empty"),
        (["。"], "empty"),
        (["（缺词文）"], "empty"),
        (["——"], "empty"),
        (["江碧鳥逾白，山青花欲燃。"], "fragment"),
        (["草隔溪看。"], "fragment"),
    ],
)
def test_nothing_and_fragments_are_dropped(paragraphs, reason):
    assert clean(paragraphs)[::2] == ("", reason)


def test_prose_need_not_be_whole():
    assert clean(["子曰：“君子不器。”"])[2] == "fragment"
    assert clean(["子曰：“君子不器。”"], verse=False) == ("子曰：“君子不器。”", (), "")
    assert clean(["洛阳岁暮作征客，囗囗囗囗囗囗囗。", "相望相思不可见，归来归去为谁留。"])[2] == "gap"
    assert clean(["□"], verse=False)[2] == "gap"


def test_clauses_are_runs_of_chinese_characters():
    assert clauses("子曰：“𠮷，不亦说乎？”") == ["子曰", "𠮷", "不亦说乎"]
    assert clauses("") == []
