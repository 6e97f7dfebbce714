"""Lines of files in every encoding, against Python's own codecs."""

import gzip

import pytest

from kgpt2.data.example import Report
from kgpt2.data.lines import Lines, known_encoding
from kgpt2.errors import RequestError

TEXT = "白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。\nGPT-2 写诗, 3.14\n"
TRADITIONAL = "白日依山盡，黃河入海流。\n欲窮千里目，更上一層樓。\n"


def read(path, encoding=None, strict=True):
    report = Report(strict=strict)
    return [line for _, line in Lines(path, report, known_encoding(encoding)).good()], report


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("encoding", "text", "named"),
    [
        *[(name, TEXT, name) for name in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")],
        *[(name, TEXT, name) for name in ("gb18030", "gbk", "gb2312")],
        ("gb18030", "䶮𠮷镕\n", "gb2312"),
        *[(name, TRADITIONAL, name) for name in ("big5", "cp950", "big5hkscs")],
        *[(name, TEXT, name[:6]) for name in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")],
        *[
            (name, "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。\n", "utf-16")
            for name in ("utf-16-le", "utf-16-be")
        ],
        ("utf-16-le", "\ufeff" + TEXT, "utf-16-le"),
        ("latin-1", "café\nnaïve\n", "cp1252"),
    ],
)
def test_an_encoding_that_is_named_reads_as_pythons_codec_does(tmp_path, encoding, text, named, zipped):
    path = tmp_path / ("a.txt.gz" if zipped else "a.txt")
    data = text.encode(encoding)
    path.write_bytes(gzip.compress(data) if zipped else data)
    assert read(path, named)[0] == text.removeprefix("\ufeff").splitlines(keepends=True)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_whatever_ends_lines(tmp_path, end):
    (tmp_path / "a.txt").write_text(f"春{end}{end}秋\u2028月{end}", "utf-8", newline="")
    assert read(tmp_path / "a.txt")[0] == [f"春{end}", end, f"秋\u2028月{end}"]


@pytest.mark.parametrize(
    ("encoding", "told", "text"),
    [
        ("utf-16", "UTF-16", TEXT),
        ("utf-16-le", "UTF-16LE", TEXT),
        ("utf-16-be", "UTF-16BE", TEXT),
        ("utf-16-le", "UTF-16LE", "id,text\n1,hello\n"),
        ("utf-16-le", "UTF-16LE", "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。\n"),
        ("utf-32", "UTF-32", TEXT),
        ("gb18030", "GB18030", TEXT),
        ("gb18030", "GB18030", TRADITIONAL),
        ("gb18030", "GB18030", TEXT.replace("\n", "\r")),
        ("big5", "BIG5", TRADITIONAL),
        ("cp950", "CP950", "夜裏碁聲，" * 3 + "恒\n" + TRADITIONAL),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_a_file_in_another_encoding_is_refused_and_the_encoding_named(tmp_path, encoding, told, text, strict):
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(RequestError) as error:
        read(path, strict=strict)
    first, second = str(error.value).splitlines()
    assert first.startswith(f"{path}, line ")
    assert f"looks like {told}" in first
    assert f"iconv -f {told} -t UTF-8 a.txt" in second
    assert f"--encoding {told.lower()} " in second
    assert "".join(read(path, told)[0]) == text, "what is advised works"


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("白日依山尽".encode("gb18030"), "not UTF-8 (a byte is 0xb0), it looks like GB18030"),
        ("白日依山尽".encode()[:-1], "not UTF-8 (a byte is 0xe5)"),
        (b"na\xefve", "not UTF-8 (a byte is 0xef)"),
        (b"a\0b", "a NUL character"),
        (b"\0\0\0", "a NUL character"),
    ],
)
def test_one_bad_line_is_a_bad_row(tmp_path, bad, words):
    path = tmp_path / "a.txt"
    path.write_bytes("春眠\n不觉晓\n".encode() + bad + "\n夜来\n".encode())
    found, report = read(path, strict=False)
    assert found == ["春眠\n", "不觉晓\n", "夜来\n"]
    (problem,) = report.problems
    assert problem.startswith(f"{path}, line 3: {words}")
    assert ("looks like" in problem) == ("looks like" in words)
    with pytest.raises(RequestError, match="line 3"):
        read(path)


def test_bad_bytes_of_a_named_encoding_are_told_by_its_name(tmp_path):
    (tmp_path / "a.txt").write_bytes("春\n".encode("gbk") + b"\xff\n" + "秋\n".encode("gbk"))
    found, report = read(tmp_path / "a.txt", "gbk", strict=False)
    assert found == ["春\n", "秋\n"]
    assert dict(report.dropped) == {"not GB18030": 1}


@pytest.mark.parametrize("name", ["gbk1", "", "rot13", "hex", "undefined", "idna", "a\0b"])
def test_what_is_no_encoding_of_text_is_refused(name):
    with pytest.raises(RequestError, match=r"data\.encoding"):
        known_encoding(name)
