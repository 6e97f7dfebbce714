"""`kgpt2 verse`: texts against the rules, forms and rhymes."""

import json
import re

import click
import pytest

POEM = "渭城朝雨浥轻尘，客舍青青柳色新。劝君更尽一杯酒，西出阳关无故人。"


def test_a_text_in_json_and_as_people_read_it(kgpt2):
    result = kgpt2("verse", "check", POEM, "--json")
    found = json.loads(result.out)
    assert list(found) == ["text", "form", "regulated", "lines", "rhyme", "faults"]
    assert list(found["lines"][0]) == ["text", "tones", "type", "faults", "licences"]
    assert found["faults"] == [{"kind": "失粘", "line": 3, "place": 0, "character": ""}]
    assert found["rhyme"] == {"name": "上平声十一真", "faults": []}
    assert (result.status, found["regulated"]) == (0, False)
    shown = kgpt2("verse", "check", POEM)
    assert shown.status == 0
    assert "七绝: not regulated, rhyme 上平声十一真" in shown.out
    assert "失粘: line 3" in shown.out


@pytest.mark.parametrize(
    ("arguments", "shown", "hidden"),
    [
        (["春风得意马蹄疾，一日看尽长安花"], "7，7: no rules were checked: no 绝句, 律诗", "not regulated"),
        (["海内存知己，天涯若比邻"], "two lines: --form 对联 checks them as a couplet", "not regulated"),
        (["海内存知己，天涯若比邻", "--form", "对联"], "对联: regulated", "no rules"),
        (["白日依山尽"], "one line: marks, spaces or line ends part", "two lines"),
        (["江南好，风景旧曾谙。"], "3，5。: no rules were checked", "two lines"),
        (["关关雎鸠，在河之洲。窈窕淑女，君子好逑。"], "四言: no rules were checked", "not regulated"),
        (["春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。"], "such as 仄韵古绝", "no rules"),
        ([POEM], "not regulated", "仄韵古绝"),
        ([POEM, "--form", "五绝"], "形式: line 1 has 7 characters, and 5 in the form", "no rules"),
        ([POEM, "--form", "七律"], "形式: 4 lines, and 8 in the form", "line 5"),
        ([POEM, "--form", "7，7。-7，7。"], "形式: another form than was asked for", "no rules"),
        (
            ["常记溪亭日暮，沉醉不知归路。兴尽晚回舟，误入藕花深处。争渡，争渡，惊起了一滩鸥鹭。", "--form", "如梦令"],
            "形式: line 7 has 7 characters, and 6 in the form",
            "no rules",
        ),
        (["白日依山尽，黄河入海流。"], "two lines", "通: level or oblique"),
        (["欲穷千里目，更上一层楼。"], "  通: level or oblique", "not regulated"),
    ],
)
def test_what_is_shown_says_why_and_where(kgpt2, arguments, shown, hidden):
    result = kgpt2("verse", "check", *arguments)
    assert result.status == 0
    assert shown in result.out
    assert hidden not in result.out


def test_lines_of_no_known_form_stay_unregulated_in_json(kgpt2):
    found = json.loads(kgpt2("verse", "check", "海内存知己，天涯若比邻", "--json").out)
    assert (found["form"], found["regulated"], found["faults"]) == ("5，5", False, [])
    long = POEM.replace("西出", "西边出")
    assert json.loads(kgpt2("verse", "check", long, "--form", "七绝", "--json").out)["faults"] == [
        {"kind": "形式", "line": 4, "place": 0, "character": ""}
    ]


def test_tones_have_colours_where_they_are_wanted(monkeypatch):
    from kgpt2.cli.verse import _shown
    from kgpt2.verse.check import check

    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    coloured = _shown(check(POEM))
    monkeypatch.setenv("NO_COLOR", "1")
    plain = _shown(check(POEM))
    assert "\x1b[34m" in coloured
    assert click.unstyle(coloured) == plain
    assert "\x1b" not in plain


def test_a_file_a_line_a_text(kgpt2, tmp_path):
    file = tmp_path / "poems.txt"
    file.write_text(f"{POEM}\n\n白日依山尽，黄河入海流。欲穷千里目，更上一层楼。\n", "utf-8")
    result = kgpt2("verse", "check", file, "--json")
    assert [json.loads(line)["regulated"] for line in result.out.splitlines()] == [False, True]
    file.write_text(f"{POEM}\nno verse\n", "utf-8")
    result = kgpt2("verse", "check", file, "--json")
    assert (result.status, result.out) == (2, "")
    assert f"{file}, line 2" in result.err


STORK = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"
DREAM = "常记溪亭日暮，沉醉不知归路。兴尽晚回舟，误入藕花深处。争渡，争渡，惊起一滩鸥鹭。"


@pytest.mark.parametrize(
    "written",
    [
        f"{STORK}\n{POEM}\n",
        "\n".join(STORK.replace("，", "，\n").replace("。", "。\n").split()) + f"\n\n{POEM}\n",
        f"# 唐诗\n\n《登鹳雀楼》\n{STORK}\n《渭城曲》{POEM}\n",
        f"登鹳雀楼：{STORK}\n渭城曲: {POEM}",
        "\n\n".join(poem.replace("。", "。\n").strip() for poem in (STORK, POEM)),
        f"登鹳雀楼\n王之涣\n{STORK}\n\n渭城曲 王维\n{POEM}",
        "\n\n".join(f"渭城曲\n王维（699—761）\n{poem.replace('。', '。' + chr(10)).strip()}" for poem in (STORK, POEM)),
        "登鹳雀楼\n王之涣\n" + re.sub("[，。]", "\n", STORK) + "\n渭城曲\n" + re.sub("[，。]", "\n", POEM),
        re.sub("[，。]", " ", STORK) + "\n" + re.sub("[，。]", "\u3000", POEM),
        "# 一句一行\n" + STORK.replace("，", "，\n").replace("。", "。\n") + "\n" + POEM.replace("，", "，\n"),
    ],
    ids=[
        *("a line", "a line and lines", "titles", "colons", "couplets", "titles above", "titles above couplets"),
        *("lines without marks", "spaces", "lines"),
    ],
)
def test_how_a_file_may_be_written(kgpt2, tmp_path, written):
    file = tmp_path / "poems.txt"
    file.write_text(written, "utf-8")
    found = [json.loads(line) for line in kgpt2("verse", "check", file, "--json").out.splitlines()]
    assert [one["text"] for one in found] == [STORK, POEM]


def test_what_is_a_text_depends_on_the_form(kgpt2, tmp_path):
    file = tmp_path / "couplets.txt"
    file.write_text(
        "春联\n春满人间百花吐艳\n福临小院四季常安\n\n又是一年芳草绿，依然十里杏花红。\n海内存知己，天涯若比邻。\n",
        "utf-8",
    )
    found = [json.loads(line) for line in kgpt2("verse", "check", file, "--form", "对联", "--json").out.splitlines()]
    assert [(one["form"], len(one["lines"])) for one in found] == [("对联", 2)] * 3
    assert found[0]["text"] == "春满人间百花吐艳-福临小院四季常安"
    # Prose stays a text a line, and titles between poems are none.
    file.write_text(f"春天来了\n花开了，我很高兴。\n\n渔歌子\n\n{STORK}\n渭城曲\n{POEM}\n", "utf-8")
    found = [json.loads(line)["text"] for line in kgpt2("verse", "check", file, "--json").out.splitlines()]
    assert found == ["春天来了", "花开了，我很高兴。", STORK, POEM]


STREAM = "一曲新词酒一杯，去年天气旧亭台。夕阳西下几时回？\n\n无可奈何花落去，似曾相识燕归来。小园香径独徘徊。"
MOON = """明月几时有？把酒问青天。不知天上宫阙，今夕是何年。我欲乘风归去，又恐琼楼玉宇，高处不胜寒。
起舞弄清影，何似在人间。转朱阁，低绮户，照无眠。不应有恨，何事长向别时圆？
人有悲欢离合，月有阴晴圆缺，此事古难全。但愿人长久，千里共婵娟。"""
PREFACE = "丙辰中秋，欢饮达旦，大醉，作此篇。"
BARE, PARTING = (re.sub("[，。]", "", poem) for poem in (STORK, POEM))


@pytest.mark.parametrize(
    ("written", "headings", "forms"),
    [
        (f"{BARE}\n{PARTING}\n一、登楼 王之涣\n{STORK}", ["一、登楼 王之涣"], ["五绝", "七绝", "五绝"]),
        ("《登鹳雀楼》\n作者：王之涣\n" + re.sub("[，。]", "\n", STORK), ["《登鹳雀楼》 作者：王之涣"], ["五绝"]),
        (f"《登鹳雀楼》\n作者：王之涣\n{STORK[:11]}", [], ["5，5"]),
        (f"【登鹳雀楼】\n[唐] 王之涣\n{STORK[:12]}\n{STORK[12:]}", ["【登鹳雀楼】 [唐] 王之涣"], ["五绝"]),
        (f"题目：登鹳雀楼\n作者：王之涣\n正文：\n{STORK}", ["题目：登鹳雀楼 作者：王之涣"], ["五绝"]),
        (f"登鹳雀楼\n唐·王之涣\n\n{STORK[:12]}\n{STORK[12:]}", ["登鹳雀楼 唐·王之涣"], ["五绝"]),
        (f"浣溪沙\n晏殊\n{STREAM}", ["浣溪沙 晏殊"], ["浣溪沙"]),
        (f"【水调歌头】\n{PREFACE}\n{MOON}", [f"【水调歌头】 {PREFACE}"], ["水调歌头"]),
        ("上联：海内存知己\n下联：天涯若比邻\n\n上联：海内存知己；下联：天涯若比邻", [], ["对联"] * 2),
    ],
    ids=["no marks", "a title", "half a poem", "brackets", "labels", "a gap", "two halves", "a preface", "sides"],
)
def test_poems_as_people_keep_them(kgpt2, tmp_path, written, headings, forms):
    file = tmp_path / "poems.txt"
    file.write_text(written, "utf-8")
    found = [json.loads(line) for line in kgpt2("verse", "check", file, "--json").out.splitlines()]
    assert [one["form"] for one in found] == forms
    shown = kgpt2("verse", "check", file).out.splitlines()
    assert [line for line in shown if line in headings] == headings


@pytest.mark.parametrize(
    ("first", "regulated"),
    [
        ("海内存知己-天涯若比邻", True),
        ("朝辞白帝彩云间-千里江陵一日还", False),
        ("云想衣裳花想容-春风拂槛露华浓", False),
    ],
)
def test_the_first_side_of_a_couplet_ends_obliquely(kgpt2, first, regulated):
    assert json.loads(kgpt2("verse", "check", first, "--json").out)["regulated"] is regulated


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("登鹳雀楼 白日依山尽 黄河入海流 欲穷千里目 更上一层楼", STORK),
        (f"登鹳雀楼\n王之涣\n{STORK}", STORK),
        (f"《如梦令》{DREAM}", DREAM),
        (f"如梦令：{DREAM}", DREAM),
        # A colon within a poem parts no title from it.
        ("白日依山尽：黄河入海流。欲穷千里目，更上一层楼。", "白日依山尽：黄河入海流。欲穷千里目，更上一层楼。"),
        ("春风得意马蹄疾：一日看尽长安花", "春风得意马蹄疾：一日看尽长安花"),
    ],
)
def test_a_title_is_no_verse(kgpt2, typed, text):
    assert json.loads(kgpt2("verse", "check", typed, "--json").out)["text"] == text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "没有.txt"], "没有.txt: there is no such file of verse"),
        (["check", "诗稿/没有.txt"], "诗稿/没有.txt: there is no such file of verse"),
        (["check", "poems2.txt"], "poems2.txt: there is no such file of verse"),
        (["check", "《春》"], "holds no Chinese character"),
        (["check", "如梦令："], "holds no Chinese character"),
        (["check", "spring"], "holds no Chinese character"),
        (["check", POEM, "--form", "nonsense"], "--form 'nonsense'"),
        (["check", POEM, "--rhyme", "x"], "--rhyme"),
        (["rhymes", "春风"], "one Chinese character"),
        (["forms", "春"], "neither a name"),
    ],
)
def test_what_cannot_be(kgpt2, arguments, words):
    result = kgpt2("verse", *arguments)
    assert result.status == 2
    assert words in result.err


def test_forms_and_rhymes(kgpt2):
    listed = kgpt2("verse", "forms").out.splitlines()
    assert "七律  7，7。7，7。7，7。7，7。" in listed
    assert listed[-4:-2] == ["", "7: seven characters; x: any character; p: level (平); z: oblique (仄)"]
    assert list(json.loads(kgpt2("verse", "forms", "--json").out))[-1] in listed[-5]
    assert kgpt2("verse", "forms", "如梦令").out.splitlines()[3:6] == [
        "中仄中平平仄。  韵",
        "平仄。  韵",
        "平仄。  韵  叠",
    ]
    assert "韵4" in kgpt2("verse", "forms", "菩萨蛮").out
    assert "or cut as 4，7" in kgpt2("verse", "forms", "水调歌头").out
    shown = json.loads(kgpt2("verse", "forms", "忆秦娥2", "--json").out)
    assert (shown["rhymes"][0][:4], shown["repeats"][2], shown["variants"]) == (["韵", "韵", "韵", ""], [True] * 3, 2)
    ways = json.loads(kgpt2("verse", "forms", "五绝", "--json").out)["ways"]
    assert ways[0] == ["中仄平平仄", "平平仄仄平", "中平平仄仄", "中仄仄平平"]
    assert len(ways) == 4
    shown = kgpt2("verse", "forms", "七绝平起首句入韵").out.splitlines()
    assert shown == [
        "平起首句入韵",
        "中平中仄仄平平  丁  韵",
        "中仄平平仄仄平  乙  韵",
        "中仄中平平仄仄  丙",
        "中平中仄仄平平  丁  韵",
    ]
    assert json.loads(kgpt2("verse", "forms", "五排", "--json").out)["rhymes"][0] == ["", "韵"] * 6
    ways = json.loads(kgpt2("verse", "forms", "xx春4-xx花4", "--json").out)["ways"]
    assert ways == [["中平春仄平平仄", "中仄花平仄仄平"], ["中仄春平平仄仄", "中平花仄仄平平"]]
    assert kgpt2("verse", "forms", "菩萨蛮").out.splitlines()[2] == "中仄仄平平。  韵2"
    found = json.loads(kgpt2("verse", "rhymes", "天", "--json").out)
    assert (found["tones"], found["pingshui"]) == ("平", ["下平声一先"])
    assert found["uses"]["level"] > 1000 * found["uses"]["oblique"] / 2


def test_the_characters_of_a_rhyme(kgpt2):
    shown = kgpt2("verse", "rhymes", "一东").out
    assert shown.startswith("上平声一东  風风中空同")
    assert "冬" not in shown
    both = json.loads(kgpt2("verse", "rhymes", "第七部", "--json").out)["rhymes"]
    assert both.keys() == {"第七部平", "第七部仄"}
    assert ("天" in both["第七部平"], "见" in both["第七部仄"]) == (True, True)
