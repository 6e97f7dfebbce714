import contextlib
import os
import threading

import pytest

from kgpt2.errors import RequestError
from kgpt2.files import read_json, read_text, told_encoding, whole_folder, write_json, write_text


def test_an_interrupted_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "summary.json"
    write_text(path, "old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["summary.json"]


def test_not_a_number_is_not_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "summary.json", {"loss": float("nan")})
    assert os.listdir(tmp_path) == []


def test_a_folder_is_replaced_only_when_the_new_one_is_complete(tmp_path):
    folder = tmp_path / "preset"
    with whole_folder(folder) as new:
        (new / "a").write_text("1")
    with contextlib.suppress(RuntimeError), whole_folder(folder) as new:
        (new / "b").write_text("2")
        assert (folder / "a").exists()
        raise RuntimeError
    assert os.listdir(folder) == ["a"]
    with whole_folder(folder) as new:
        (new / "c").write_text("3")
    assert os.listdir(folder) == ["c"]
    assert os.listdir(tmp_path) == ["preset"]


def test_readers_of_a_file_that_is_written_anew_see_one_or_the_other(tmp_path):
    path = tmp_path / "metrics.csv"
    texts = ["a" * 100_000, "b" * 200_000]
    write_text(path, texts[0])
    writer = threading.Thread(target=lambda: [write_text(path, texts[i % 2]) for i in range(50)])
    writer.start()
    while writer.is_alive():
        assert path.read_text() in texts
    writer.join()


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "there is no such"), (b"ok\n\xc4\xe3\xba\xc3", "line 2: not UTF-8")],
)
def test_unreadable_files_are_named(tmp_path, content, words):
    path = tmp_path / "poems.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RequestError, match=words) as error:
        read_text(path)
    assert str(path) in str(error.value)


def test_a_directory_is_no_file_and_a_byte_order_mark_is_no_text(tmp_path):
    with pytest.raises(RequestError, match="this is a directory"):
        read_text(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfhello")
    assert read_text(tmp_path / "a.txt") == "hello"


def test_json_that_is_too_deep_is_an_error_like_any_other(tmp_path):
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(RequestError, match="not JSON"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("text", "encoding", "told"),
    [
        ("春眠不觉晓，处处闻啼鸟。", "utf-8", None),
        ("春眠不觉晓，处处闻啼鸟。", "utf-8-sig", None),
        ("hello, world\n", "ascii", None),
        ("naïve café, über alles\n", "latin-1", None),
        ("春眠不觉晓，处处闻啼鸟。", "gb18030", "GB18030"),
        ("GPT-2 床前明月光, hello", "gb18030", "GB18030"),
        ("舉頭望明月，低頭思故鄉。", "gb18030", "GB18030"),
        ("舉頭望明月，低頭思故鄉。", "big5", "BIG5"),
        ("裏墻恒粧嫺，低頭思故鄉。", "cp950", "CP950"),
        ("㗎喺嘅咗啲，低頭思故鄉。", "big5hkscs", "BIG5-HKSCS"),
        *[("春眠不觉晓，hello\n", name, name.upper()) for name in ("utf-16", "utf-32")],
        *[("春眠不觉晓，hello\n", f"utf-16-{end}", f"UTF-16{end.upper()}") for end in ("le", "be")],
        *[("hello, world\n", f"utf-16-{end}", f"UTF-16{end.upper()}") for end in ("le", "be")],
    ],
)
def test_encodings_are_told_apart(text, encoding, told):
    data = text.encode(encoding)
    assert told_encoding(data) == told
    if told:
        assert data.decode(told) == text, "what is told can be read so"
        cut = data + text.encode(encoding)[: len(data) // 2]
        assert told_encoding(cut) == told


@pytest.mark.parametrize("place", range(0, 60, 7))
@pytest.mark.parametrize("byte", [0x80, 0xC3, 0xFF])
def test_utf8_with_a_fault_is_no_other_encoding(place, byte):
    data = bytearray("春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。".encode())
    data[place] = byte
    assert told_encoding(bytes(data)) is None


def test_a_file_that_is_not_utf8_says_how_to_convert_it(tmp_path):
    (tmp_path / "c.yaml").write_bytes("# 舉頭望明月，低頭思故鄉。\n".encode("big5"))
    with pytest.raises(RequestError, match=r"c.yaml, line 1: not UTF-8.*\n.*iconv -f BIG5 -t UTF-8 c.yaml"):
        read_text(tmp_path / "c.yaml")
