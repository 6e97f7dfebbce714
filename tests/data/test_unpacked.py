"""Archives and lines without end, and files that are none."""

import gzip
import os

import pytest

from kgpt2.data import example, unpacked
from kgpt2.data.example import Report
from kgpt2.data.text_files import open_files
from kgpt2.data.tifu.json_lines import read_posts
from kgpt2.errors import RequestError

pytestmark = pytest.mark.timeout(30)


def read(path):
    return [found.text for found in open_files([str(path)]).read(Report())]


@pytest.mark.parametrize("reader", [read, lambda path: list(read_posts(path, "short", Report()))], ids=["text", "tifu"])
@pytest.mark.parametrize("piece", [b"\n", b"\0", b"{},\n"], ids=["lines", "zeros", "rows"])
def test_an_archive_that_unfolds_without_end_is_refused(tmp_path, monkeypatch, reader, piece):
    monkeypatch.setattr(unpacked, "_UNLOOKED", 1 << 20)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(piece * (3 << 20)))
    with pytest.raises(RequestError, match="unfolds to more than 20 times its size"):
        reader(path)


def test_a_small_archive_may_repeat_itself(tmp_path):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress("春眠\n".encode() * 20_000))
    assert read(path) == ["春眠"] * 20_000


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\n" + b"b" * (unpacked.MAX_LINE + 1))
    with pytest.raises(RequestError, match=r"a.txt, line 2: refused, a line of more than"):
        read(path)


@pytest.mark.parametrize(("name", "row"), [("a.txt", b"\n"), ("a.jsonl", b'{"text": ""}\n'), ("a.jsonl", b"1\n")])
def test_rows_without_a_text_have_an_end(tmp_path, monkeypatch, name, row):
    monkeypatch.setattr(example, "FUTILE", 100)
    path = tmp_path / name
    path.write_bytes(row * 200)
    with pytest.raises(RequestError, match=rf"{name}.*\nnone of the 100 rows before holds a text either"):
        read(path)
    path.write_bytes((b"a\n" if name == "a.txt" else b'{"text": "a"}\n') + row * 200)
    assert read(path) == ["a"]


@pytest.mark.parametrize("put", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["fifo", "device"])
def test_what_is_no_regular_file_is_not_opened(tmp_path, put):
    put(tmp_path / "a.txt")
    with pytest.raises(RequestError, match="no regular file"):
        open_files([str(tmp_path / "a.txt")]).identity()
    with pytest.raises(RequestError, match="no regular file"):
        read(tmp_path / "a.txt")


@pytest.mark.parametrize("text", ["1" * 5000, "[" * 20_000])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_json_that_python_does_not_take(tmp_path, name, text):
    (tmp_path / name).write_text(text + "\n")
    with pytest.raises(RequestError, match=rf"{name}.*broken JSON"):
        list(open_files([str(tmp_path / name)]).read(Report(strict=True)))
