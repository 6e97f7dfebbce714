import pytest

from kgpt2.data.text_files import read_file
from kgpt2.errors import RequestError


def write(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, "utf-8", newline="")
    return path


@pytest.mark.parametrize(
    ("name", "content", "text", "examples"),
    [
        ("a.txt", "\ufeff春眠\n\n  不觉晓  \r\n夜来\u2028风雨\n", None, ["春眠", "不觉晓", "夜来\u2028风雨"]),
        ("a.csv", "text1\n春-秋\n\n山-水\n", None, ["春-秋", "山-水"]),
        ("a.csv", 'id,text\n1,"a, ""b""\nc"\n2,\n', None, ['a, "b"\nc']),
        ("a.csv", "title,body\n春晓,春眠\n", "{title}：{body}", ["春晓：春眠"]),
        ("a.csv", "lonely\nx\n", None, ["x"]),
        ("a.tsv", "up\tdown\n春\t秋\n", "{up}-{down}", ["春-秋"]),
        ("a.jsonl", '{"text": "a"}\n\n{"text": "b", "n": 1}\n', None, ["a", "b"]),
        ("a.jsonl", '"a"\n"b"\n', None, ["a", "b"]),
        ("a.jsonl", '{"documents": "a", "n": 3}\n', "{n} {documents}", ["3 a"]),
    ],
)
def test_examples(tmp_path, name, content, text, examples):
    assert read_file(write(tmp_path, name, content), text) == examples


@pytest.mark.parametrize(
    ("name", "content", "text", "words"),
    [
        ("a.txt", "\n \n", None, "holds no text"),
        ("a.csv", "", None, "no column called text"),
        ("a.csv", "a,b\n1,2\n", None, "there is 'a', 'b'"),
        ("a.csv", "a,b\n1,2\n", "c", "there is no column 'c'; there is 'a', 'b'"),
        ("a.csv", 'text\n"a\n', None, "line 2: not CSV"),
        ("a.jsonl", '{"text": "a"}\n{"text": \n', None, "line 2: broken JSON"),
        ("a.jsonl", '{"text": "a"}\n[1]\n', None, "line 2: a line must be a JSON object"),
        ("a.jsonl", '{"text": ["a"]}\n', None, "line 1: column 'text' holds no text but a list"),
        ("a.jsonl", '{"title": "a", "n": 1}\n', None, "line 1: no column called"),
        ("a.jsonl", "[" * 100_000, None, "line 1: broken JSON"),
        ("a.txt", "x", "text", "data.text"),
        ("a.pdf", "x", None, "does not read"),
    ],
)
def test_mistakes_name_file_and_line(tmp_path, name, content, text, words):
    path = write(tmp_path, name, content)
    with pytest.raises(RequestError) as error:
        read_file(path, text)
    assert words in str(error.value)
    assert str(path) in str(error.value)


def test_a_template_reaches_columns_and_nothing_else(tmp_path):
    path = write(tmp_path, "a.csv", "text\nx\n")
    assert read_file(path, "{text} {text.__class__}") == ["x {text.__class__}"]


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(RequestError, match="there is no such data file"):
        read_file(tmp_path / "none.txt")
    with pytest.raises(RequestError, match="this is a directory"):
        read_file(tmp_path)
