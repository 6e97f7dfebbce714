import json

import pytest

from kgpt2.checkpoints.bert_tokenizer import SPECIAL_TOKENS, BertTokenizer
from kgpt2.data.couplets import mend, open_couplets, open_verse_couplets, split_sides
from kgpt2.data.example import Report
from kgpt2.data.token_cache import tokenise
from kgpt2.errors import RequestError

UP, DOWN = "海内存知己", "天涯若比邻"


def read(source):
    report = Report()
    return [example.text for example in source.read(report)], report


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", f"text1\n{UP} {DOWN}\n"),
        ("a.csv", f"text1\n{UP}-{DOWN}\n"),
        ("a.csv", f"id,text1\n1,{' '.join(UP)} - {' '.join(DOWN)}\n"),
        ("a.csv", f"up,down\n{UP},{DOWN}\n"),
        ("a.tsv", f"上联\t下联\n{UP}\t{DOWN}\n"),
        ("a.txt", f"{UP}\t{DOWN}\n"),
        ("a.txt", f"{UP}　{DOWN}\n"),
        ("a.txt", f"{UP} => {DOWN}。\n"),
        *[
            ("a.txt", f"{UP}{separator}{DOWN}\n")
            for separator in ("－", "|", "｜", "/", "／", "–", "->", "→", "；", "--", "−", "‐", "‖", ";")
        ],
        *[("a.txt", f"{' '.join(UP)} {separator} {' '.join(DOWN)}\n") for separator in ("－", "|", "/", "\t")],
        ("a.txt", f"[CLS]{UP}-{DOWN}[SEP]\n"),
        ("a.txt", f"[CLS] {' '.join(UP)} - {' '.join(DOWN)} [SEP]\n"),
        ("a.txt", f"[CLS]{UP}[SEP]{DOWN}[SEP]\n"),
        ("a.txt", f"[cls]{UP}-{DOWN}[SEP][PAD][PAD]\n"),
        ("a.txt", f"{UP}\u200b-\u200b{DOWN}\n"),
        *[("a.txt", f"上联：{UP}{mark}下联：{DOWN}\n") for mark in ("，", ";", "")],
        ("a.jsonl", json.dumps({"in": f"{' '.join(UP)} ", "out": f"{' '.join(DOWN)} "})),
        ("a.json", json.dumps([{"text": f"{UP}——{DOWN}"}])),
    ],
)
def test_layouts(tmp_path, name, content):
    (tmp_path / name).write_text(content, "utf-8")
    assert read(open_couplets(tmp_path / name))[0] == [f"{UP}-{DOWN}"]


def test_a_mark_within_the_sides_does_not_part_them(tmp_path):
    (tmp_path / "a.txt").write_text("国色；天香-春风；秋月\n春，风/秋，月\n", "utf-8")
    assert read(open_couplets(tmp_path / "a.txt"))[0] == ["国色；天香-春风；秋月", "春，风-秋，月"]


def test_special_tokens_that_are_typed_are_counted(tmp_path):
    (tmp_path / "a.txt").write_text(f"[CLS]{UP}-{DOWN}[SEP]\n", "utf-8")
    for name, side in (("in.txt", f"[CLS]{UP}\n"), ("out.txt", f"{DOWN}[SEP]\n")):
        (tmp_path / name).write_text(side, "utf-8")
    for path in (tmp_path / "a.txt", tmp_path):
        found, report = read(open_couplets(path))
        assert (found, report.cleaned["[CLS] or [SEP] left out"]) == ([f"{UP}-{DOWN}"], 1)


@pytest.mark.parametrize("files", ["pair", "table"])
def test_one_bad_line_is_a_bad_row(tmp_path, files):
    lines = [(UP, DOWN), ("白日依山尽", "黄河入海流"), ("春眠不觉晓", "处处闻啼鸟")]
    bad = "黄河入海流".encode("gbk")
    if files == "pair":
        (tmp_path / "in.txt").write_text("".join(f"{up}\n" for up, _ in lines), "utf-8")
        (tmp_path / "out.txt").write_bytes(f"{DOWN}\n".encode() + bad + f"\n{lines[2][1]}\n".encode())
        path = tmp_path
    else:
        path = tmp_path / "a.txt"
        path.write_bytes(f"{UP}-{DOWN}\n".encode() + bad + f"\n{'-'.join(lines[2])}\n".encode())
    found, report = read(open_couplets(path))
    assert found == [f"{UP}-{DOWN}", "-".join(lines[2])]
    assert dict(+report.dropped) == {"not UTF-8": 1}
    assert "line 2: not UTF-8" in report.problems[0]
    with pytest.raises(RequestError, match="line 2: not UTF-8"):
        list(open_couplets(path).read(Report(strict=True)))


def test_couplets_in_another_encoding(tmp_path):
    for name, side in (("in.txt", UP), ("out.txt", DOWN)):
        (tmp_path / name).write_bytes(f"{side}\n{side[::-1]}\n".encode("gb18030"))
    with pytest.raises(RequestError, match="looks like GB18030"):
        read(open_couplets(tmp_path))
    assert read(open_couplets(tmp_path, encoding="gb18030"))[0] == [f"{UP}-{DOWN}", f"{UP[::-1]}-{DOWN[::-1]}"]


def test_two_files_with_a_character_apart(tmp_path):
    for folder, number in (("train", 0), ("test", 1)):
        (tmp_path / folder).mkdir()
        for name, side in (("in.txt", UP), ("out.txt", DOWN)):
            (tmp_path / folder / name).write_text(f"{' '.join(side[number:])} \n", "utf-8")
    assert read(open_couplets(tmp_path))[0] == [f"{UP}-{DOWN}", f"{UP[1:]}-{DOWN[1:]}"]
    assert read(open_couplets(tmp_path / "test"))[0] == [f"{UP[1:]}-{DOWN[1:]}"]
    with open(tmp_path / "train/in.txt", "a", encoding="utf-8") as file:
        file.write("春 风 \n")
    found, report = read(open_couplets(tmp_path / "train"))
    assert found == [f"{UP}-{DOWN}"]
    assert "out.txt, line 2: the file ends" in report.problems[0]
    (tmp_path / "test/out.txt").unlink()
    with pytest.raises(RequestError, match="there is no such file, but"):
        open_couplets(tmp_path)
    with pytest.raises(RequestError, match="no couplets here"):
        open_couplets(tmp_path.parent)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("海内存知-天涯若比邻", "unequal lengths"),
        ("春，风来-秋雨，至", "unequal punctuation"),
        (f"{UP}-{UP}", "equal sides"),
        (f"{UP}-", "empty side"),
        (UP, "empty side"),
        ("hello-world", "not Chinese"),
        ("春□风-秋雨来", "not Chinese"),
    ],
)
def test_what_is_no_couplet_is_counted(tmp_path, line, reason):
    (tmp_path / "a.txt").write_text(f"{line}\n春风-秋雨\n", "utf-8")
    found, report = read(open_couplets(tmp_path / "a.txt"))
    assert found == ["春风-秋雨"]
    assert report.dropped == {reason: 1}


def test_the_first_lines_that_are_no_couplets_are_told_and_nothing_stops(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("春风-秋雨\n春风，秋雨\n\n春风-秋\n春-秋风\n春风-雨\n春-春雨\n秋雨-春风\n", "utf-8")
    found, report = read(open_couplets(path))
    assert found == ["春风-秋雨"]
    assert report.problems == [
        f"{path}, line 2: no second side; a - parts the two",
        *(f"{path}, line {number}: unequal lengths" for number in (4, 5, 6)),
    ]
    assert report.dropped["unequal lengths"] == 4
    assert not report.fatal
    codec = BertTokenizer([*SPECIAL_TOKENS, *"春风秋雨-"])
    for _ in range(2):  # read, and taken from the cache
        assert tokenise(open_couplets(path), codec, strict=True).problems == report.problems


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("a.csv", "上联,下联\n春风,秋雨\n春风,\n", "line 3: no second"),
        ("a.jsonl", '{"up": "春风", "down": "秋雨"}\n{"up": "春风", "down": "秋"}\n', "line 2: unequal"),
    ],
)
def test_a_row_that_is_no_couplet_is_told_by_its_line(tmp_path, name, text, place):
    (tmp_path / name).write_text(text, "utf-8")
    _, report = read(open_couplets(tmp_path / name))
    assert [one.partition(", ")[2][: len(place)] for one in report.problems] == [place]


def test_of_two_files_the_line_is_told(tmp_path):
    (tmp_path / "in.txt").write_text("春风\n春\n", "utf-8")
    (tmp_path / "out.txt").write_text("秋雨\n\n", "utf-8")
    _, report = read(open_couplets(tmp_path))
    assert report.problems == [f"{tmp_path / 'out.txt'}, line 2: empty side"]


def test_duplicates_in_either_order(tmp_path):
    (tmp_path / "a.txt").write_text("春,风-秋,雨\n春，风。-秋，雨。\n秋，雨-春，风\n", "utf-8")
    found, report = read(open_couplets(tmp_path / "a.txt"))
    assert found == ["春，风-秋，雨"]
    assert report.dropped == {"duplicate": 1, "swapped duplicate": 1}
    assert report.cleaned["spaces, labels or marks"] == 2


def test_sides():
    assert split_sides("青史应同久 紫书倘可传") == ("青史应同久", "紫书倘可传")
    assert split_sides("丹 枫 江 - 绿 柳 堤") == ("丹 枫 江", "绿 柳 堤")
    assert split_sides("一 二 三") == ("一 二 三", "")
    assert mend(" 春 ,风; ") == "春，风"
    assert mend("，春，") == "春"
    assert mend("上联：春风") == mend("下联:春风，") == "春风"


def test_couplets_of_regulated_verse(tmp_path):
    folder = tmp_path / "全唐诗"
    folder.mkdir()
    lines = [
        "空山新雨後，天氣晚來秋。",
        "明月松間照，清泉石上流。",
        "竹喧歸浣女，蓮動下漁舟。",
        "隨意春芳歇，王孫自可留。",
    ]
    rows = [
        {"title": "山居秋暝", "author": "王維", "paragraphs": lines, "id": "1"},
        {
            "title": "鹿柴",
            "author": "王維",
            "paragraphs": ["空山不見人，但聞人語響。", "返景入深林，復照青苔上。"],
            "id": "2",
        },
    ]
    (folder / "poet.tang.0.json").write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    source = open_verse_couplets(tmp_path, "", "simplified")
    examples = list(source.read(Report()))
    assert [example.text for example in examples] == ["明月松间照-清泉石上流", "竹喧归浣女-莲动下渔舟"]
    assert len({example.group for example in examples}) == 1, "couplets of one poem stay together"
    assert source.identity() != open_verse_couplets(tmp_path, "", None).identity()
