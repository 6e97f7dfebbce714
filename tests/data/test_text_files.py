import gzip

import pytest

from kgpt2.data.example import Report
from kgpt2.data.text_files import Columns, open_files
from kgpt2.errors import RequestError


def write(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(path, columns=None, unit="line", strict=True):
    report = Report(strict=strict)
    return [example.text for example in open_files([str(path)], columns or Columns(), unit).read(report)], report


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("name", "content", "text", "examples"),
    [
        ("a.txt", "\ufeff春眠\n\n  不觉晓  \r\n夜来\u2028风雨\n", None, ["春眠", "  不觉晓  ", "夜来\u2028风雨"]),
        ("a.txt", "春眠\r  不觉晓\r", None, ["春眠", "  不觉晓"]),
        ("a.csv", "\ufefftext1\n春-秋\n\n山-水\n", None, ["春-秋", "山-水"]),
        ("a.csv", 'id,text\n1,"a, ""b""\nc"\n2,\n', None, ['a, "b"\nc']),
        ("a.csv", "title,body\n春晓,春眠\n", "{title}：{body}", ["春晓：春眠"]),
        ("a.csv", "lonely\nx\n", None, ["x"]),
        ("a.csv", 'text\n" a "\n', None, [" a "]),
        ("a.csv", "text\na\n", " {text} ", [" a "]),
        ("a.jsonl", '{"text": " a "}\n" b"\n', None, [" a ", " b"]),
        ("a.jsonl", '{"t": "x"}\n{"t": ""}\n', " {t}", [" x"]),
        ("a.tsv", "up\tdown\n春\t秋\n", "{up}-{down}", ["春-秋"]),
        ("a.jsonl", '{"text": "a"}\n\n{"text": "b", "n": 1}\n', None, ["a", "b"]),
        ("a.jsonl", '"a"\n"b"\n', None, ["a", "b"]),
        ("a.jsonl", '{"documents": "a", "n": 3}\n', "{n} {documents}", ["3 a"]),
        ("a.json", '[{"text": "a"},\n "b", {"text": null}]', None, ["a", "b"]),
    ],
)
def test_examples(tmp_path, name, content, text, examples, zipped):
    path = write(tmp_path, name, content)
    if zipped:
        path = write(tmp_path, f"{name}.gz", gzip.compress(path.read_bytes()))
    found, report = read(path, Columns(text))
    assert found == examples
    assert report.done == 1


@pytest.mark.parametrize(
    ("unit", "examples"),
    [
        ("line", ["春眠", "不觉晓", "夜来", "风雨声"]),
        ("block", ["春眠\n不觉晓", "夜来\n风雨声"]),
        ("file", ["春眠\n不觉晓\n\n\n夜来\n风雨声"]),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_example_is_a_line_a_block_or_a_file(tmp_path, unit, examples, end):
    content = "春眠\n不觉晓\n\n\n夜来\n风雨声\n".replace("\n", end)
    assert read(write(tmp_path, "a.txt", content), unit=unit)[0] == examples


@pytest.mark.parametrize(("unit", "examples"), [("block", ["  a \n b", "e"]), ("file", [])])
def test_a_block_with_a_bad_line_is_left_out_whole(tmp_path, unit, examples):
    path = write(tmp_path, "a.txt", b"  a \n b\n\nc\n\xff\nd\n\ne\n")
    found, report = read(path, unit=unit, strict=False)
    assert found == examples
    assert dict(report.dropped) == {"not UTF-8": 1}


def test_the_column_is_settled_once_a_file(tmp_path):
    rows = ['{"id": "no text"}', '{"text": "a"}', '{"title": "b"}', '{"text": "c", "text1": "d"}', '{"text": null}']
    for name, content in (("a.jsonl", "\n".join(rows)), ("a.json", f"[{', '.join(rows)}]")):
        found, report = read(write(tmp_path, name, content), strict=False)
        assert found == ["a", "c"]
        assert dict(report.dropped) == {"missing column": 2, "empty": 1}
        assert "line 1: no column called 'text'" in report.problems[0]
        assert "line 3: no column called 'text'" in report.problems[1]
    with pytest.raises(RequestError, match="line 1: no column called"):
        read(tmp_path / "a.jsonl")


def test_patterns_and_lists_of_files_come_in_order(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.txt", "a.txt", "deep/c.txt", "d.csv"):
        write(tmp_path, name, f"text\n{name}\n" if name.endswith("csv") else name)
    assert read(tmp_path / "*.txt")[0] == ["a.txt", "b.txt"]
    assert read(tmp_path / "**/*.txt")[0] == ["a.txt", "b.txt", "deep/c.txt"]
    source = open_files([str(tmp_path / "d.csv"), str(tmp_path / "a.txt")])
    assert [example.text for example in source.read(Report())] == ["d.csv", "a.txt"]


def test_prompts_are_kept_apart(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"q": "1+1", "a": 2}\n{"q": null, "a": "x"}\n')
    examples = list(open_files([str(path)], Columns("a", "{q}=")).read(Report()))
    assert [(example.prompt, example.text) for example in examples] == [("1+1=", "2"), ("=", "x")]


@pytest.mark.parametrize(
    ("name", "content", "text", "words"),
    [
        ("a.csv", "a,b\n1,2\n", None, "there is 'a', 'b'"),
        ("a.csv", "a,b\n1,2\n", "c", "there is no column 'c'; there is 'a', 'b'"),
        ("a.txt", "x", "text", "data.text"),
        ("a.pdf", "x", None, "does not read"),
        ("a.json", '{"text": "a"}', None, "a list of rows was expected"),
        ("a.json", '[{"text": "a"},\n{]', None, "line 2: broken JSON"),
        ("a.json", "[" * 100_000, None, "broken JSON"),
        ("a.csv", "标题,正文\n春,秋\n".encode("gbk"), None, "line 1: not UTF-8"),
        ("a.json", b'[{"text": "a"},\n {"text": "\xff"}]', None, "line 2: not UTF-8"),
        ("a.txt.gz", b"\x1f\x8b\x08\x00half", None, "not a whole gzip file"),
        ("a.txt.gz", b"none", None, "not a whole gzip file"),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_mistakes_in_a_whole_file_name_it(tmp_path, name, content, text, words, strict):
    path = write(tmp_path, name, content)
    with pytest.raises(RequestError) as error:
        read(path, Columns(text), strict=strict)
    assert words in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("name", "bad", "reason", "words"),
    [
        ("a.txt", b"\xff\xfe", "not UTF-8", "line 2: not UTF-8 (a byte is 0xff)"),
        ("a.csv", b'"a"b', "not CSV", "line 3: not CSV"),
        ("a.csv", b"1", "missing column", "line 3: there is no column 'text'; there is 'id' (data.text)"),
        ("a.csv", b"1,\xff", "not UTF-8", "line 3: not UTF-8"),
        ("a.jsonl", b'{"text": ', "broken JSON", "line 2: broken JSON"),
        ("a.jsonl", b"[1]", "no JSON object", "line 2: a row must be a JSON object"),
        ("a.jsonl", b'{"text": ["a"]}', "no text in the column", "line 2: column 'text' holds no text but a list"),
        ("a.jsonl", b'{"title": "a", "n": 1}', "missing column", "line 2: no column called"),
        ("a.jsonl", b"[" * 100_000, "broken JSON", "line 2: broken JSON"),
        ("a.jsonl", b'{"text": "a", "text": "b"}', "key given twice", "line 2: the key 'text' is given twice"),
        ("a.jsonl", b'{"text": ' + b"9" * 5000 + b"}", "broken JSON", "line 2: broken JSON"),
        ("a.jsonl", b'{"text": "a\\u0000"}', "NUL character", "line 2: a NUL character"),
        ("a.txt", b"\0", "NUL character", "line 2: a NUL character"),
        ("a.jsonl", b'"\xff"', "not UTF-8", "line 2: not UTF-8"),
        ("a.jsonl", b'"\\ud83d"', "not UTF-8", "line 2: half a character"),
        ("a.jsonl", b'{"text": "\\ud83d"}', "not UTF-8", "line 2: half a character"),
        ("a.csv", "1,春,秋".encode(), "too many fields", "line 3: 3 fields, the header has 2"),
    ],
)
def test_bad_rows_are_counted_with_file_and_line_or_stop_everything(tmp_path, name, bad, reason, words):
    good = {"txt": [b"a", b"b"], "csv": [b"id,text\n1,a", b"2,b"], "jsonl": [b'{"text": "a"}', b'{"text": "b"}']}
    first, last = good[name.partition(".")[2]]
    path = write(tmp_path, name, b"\n".join([first, bad, last, b""]))
    found, report = read(path, strict=False)
    assert found == ["a", "b"]
    assert dict(report.dropped) == {reason: 1}
    assert words in report.problems[0]
    assert str(path) in report.problems[0]
    with pytest.raises(RequestError, match=r"data\.on_error=skip") as error:
        read(path)
    assert words in str(error.value)


def test_many_bad_rows_are_counted_and_the_first_told(tmp_path):
    found, report = read(write(tmp_path, "a.jsonl", "{\n" * 1000 + '"a"\n'), strict=False)
    assert found == ["a"]
    assert report.dropped["broken JSON"] == 1000
    assert len(report.problems) == 20


def test_a_template_reaches_columns_and_nothing_else(tmp_path):
    path = write(tmp_path, "a.csv", "text\nx\n")
    assert read(path, Columns("{text} {text.__class__}"))[0] == ["x {text.__class__}"]


def test_missing_files_and_folders(tmp_path):
    for spec, words in [
        ("none.txt", "there is no such data file"),
        ("none*.txt", "no file has such a name"),
        ("", "this is a directory; give its files"),
    ]:
        with pytest.raises(RequestError, match=words):
            open_files([str(tmp_path / spec)])


def test_identity_follows_content_and_settings(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"text": "a", "title": "b"}\n')

    def identity(**options):
        return open_files([str(path)], **options).identity()

    first = identity()
    assert identity() == first
    assert identity(columns=Columns("title")) != first
    path.write_text('{"text": "a", "title": "c"}\n')
    assert identity() != first


def test_numbers_of_json_stay_as_they_are_written(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": 1.50}\n{"text": NaN}\n{"text": 1e400}\n{"text": 7}\n1.5\n')
    report = Report()
    assert [example.text for example in open_files([str(tmp_path / "a.jsonl")]).read(report)] == ["1.50", "1e400", "7"]
    assert report.dropped == {"broken JSON": 1, "no JSON object": 1}
