import contextlib
import os
import threading

import pytest

from kgpt2.errors import RequestError
from kgpt2.files import read_json, read_text, whole_folder, write_json, write_text


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
