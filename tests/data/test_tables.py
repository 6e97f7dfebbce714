"""Tables against Python's csv module."""

import csv
import io
import random

import pytest

from kgpt2.data.example import Report
from kgpt2.data.template import Columns
from kgpt2.data.text_files import is_blank, open_files
from kgpt2.errors import RequestError

PIECES = [*"ab 春眠，。;,\t|\"'\n07-", '""', ", ", "中文"]
HEADERS = [["id", "text"], ["text", "note"], ["title", "text", "n"], ["a", "b"], ["题目", "正文"], ["a b", "c;d"]]


def read(path, text=None, strict=True):
    report = Report(strict=strict)
    return [example.text for example in open_files([str(path)], Columns(text)).read(report)], report


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_table_is_read_as_the_csv_module_reads_it(tmp_path, delimiter, seed):
    rng = random.Random(f"{delimiter}{seed}")
    header, end = rng.choice(HEADERS), rng.choice(["\n", "\r\n", "\r"])
    pieces = [piece for piece in PIECES if end == "\n" or "\n" not in piece]
    rows = [["".join(rng.choices(pieces, k=rng.randrange(12))) for _ in header] for _ in range(6)]
    written = io.StringIO(newline="")
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    csv.writer(written, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows([header, *rows])
    path = tmp_path / rng.choice(["a.csv", "a.tsv"])
    path.write_text(written.getvalue(), "utf-8", newline="")
    column = "text" if "text" in header else header[-1]
    records = list(csv.DictReader(io.StringIO(written.getvalue(), newline=""), delimiter=delimiter))
    wanted = [record[column] for record in records if not is_blank(record[column])]
    assert read(path, None if column == "text" and seed % 2 else column)[0] == wanted


@pytest.mark.parametrize(
    ("content", "text", "examples"),
    [
        ("sep=;\nid;text\n1;a\n", None, ["a"]),
        ('id, text\n1, "a, b"\n', None, ["a, b"]),
        ("title;score\na;1,5\nb;2,5\n", "title", ["a", "b"]),
        ("text\na;b\nc|d\n", None, ["a;b", "c|d"]),
        ("正文\n白日依山尽，黄河入海流。\n欲穷千里目\n", None, ["白日依山尽，黄河入海流。", "欲穷千里目"]),
        ("诗歌全文内容\n白日依山尽\n", "诗歌全文内容", ["白日依山尽"]),
        ("text,note,note\na,1,2\n", None, ["a"]),
        ("text\n\u200b\na\n \u200b\u3000\n", None, ["a"]),
        ('text\n" a "\n b\n', None, [" a ", " b"]),
    ],
)
def test_what_tables_look_like(tmp_path, content, text, examples):
    (tmp_path / "a.csv").write_text(content, "utf-8")
    assert read(tmp_path / "a.csv", text)[0] == examples


@pytest.mark.parametrize(
    ("content", "text", "words"),
    [
        ("白日依山尽，黄河入海流。\n欲穷千里目\n", None, "line 1: '白日依山尽，黄河入海流。' looks like a text"),
        ("一心一意\n三心二意\n", None, "line 1: '一心一意' looks like a text"),
        ("To be or not\nto be\n", None, "line 1: 'To be or not' looks like a text"),
        ("春,秋\n夏,冬\n", None, "line 1: no column called text"),
        ("text,text\na,b\n", None, "line 1: 2 columns are called 'text'"),
        ("\n\nid,b,b\n1,2,3\n", "{id}{b}", "line 3: 2 columns are called 'b'"),
        ("标题\x00,text\n1,2\n", None, "line 1: a NUL character"),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_a_header_that_leaves_the_text_open_is_refused(tmp_path, content, text, words, strict):
    (tmp_path / "a.csv").write_text(content, "utf-8")
    with pytest.raises(RequestError) as error:
        read(tmp_path / "a.csv", text, strict)
    assert f"{tmp_path / 'a.csv'}, {words}" in str(error.value)


def test_a_name_that_is_guessed_is_counted(tmp_path):
    (tmp_path / "a.csv").write_text("lonely\nx\n", "utf-8")
    found, report = read(tmp_path / "a.csv")
    assert (found, sum(report.cleaned.values())) == (["x"], 1)


@pytest.mark.parametrize(
    ("rows", "examples", "line", "words"),
    [
        (['1,"白日', "2,黄河", "3,明月"], ["黄河", "明月"], 2, "a quote that opens here is not closed"),
        (["1,白日", '2,"黄河', "3,明月", '4,"青山" 绿水'], ["白日", "明月"], 3, "not CSV"),
        (['1,"白日', '2,黄河"', "3,明月"], ["明月"], 2, "a quote that opens here swallows the rows behind it"),
        (['1,"a\nb, c"', '2,"d\n\ne"'], ["a\nb, c", "d\n\ne"], None, ""),
        (["1,白日,2", "2,黄河"], ["黄河"], 2, "3 fields, the header has 2"),
        (["1", "2,黄河"], ["黄河"], 2, "there is no column 'text'"),
    ],
)
def test_a_quote_swallows_no_rows(tmp_path, rows, examples, line, words):
    (tmp_path / "a.csv").write_text("\n".join(["id,text", *rows, ""]), "utf-8")
    found, report = read(tmp_path / "a.csv", strict=False)
    assert [text for text in found if text != '黄河"'] == examples
    if line is None:
        assert not report.problems
        return
    assert report.problems[0].startswith(f"{tmp_path / 'a.csv'}, line {line}: ")
    assert words in report.problems[0]
    with pytest.raises(RequestError, match=f"line {line}: "):
        read(tmp_path / "a.csv")
