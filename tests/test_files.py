import contextlib
import os
import threading
from pathlib import Path

import pytest

from kgpt2.errors import RequestError
from kgpt2.files import (
    home,
    open_regular,
    read_json,
    read_text,
    require_room,
    user_path,
    whole_folder,
    write_json,
    write_text,
)


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


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 5000])
def test_json_that_python_does_not_take(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(RequestError, match=r"a\.json: not JSON that can be read \((nested|a number)"):
        read_json(tmp_path / "a.json")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["fifo", "device", "loop", "long", "nul"])
def test_only_regular_files_are_opened(tmp_path, kind):
    path = tmp_path / ("a" * 300 if kind == "long" else "a\0b" if kind == "nul" else "a")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind in ("device", "loop"):
        path.symlink_to("/dev/zero" if kind == "device" else path)
    with pytest.raises(RequestError, match=r"no regular file|cannot be read"):
        open_regular(path)


def test_paths_of_users(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/a") == tmp_path / "a"
    for text in ("~nobody-of-this-name/a", "a" * 300, "a\0b"):
        with pytest.raises(RequestError, match=r"no such home|no path"):
            user_path(text)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("Could not determine home")))
    with pytest.raises(RequestError, match="HF_HOME=FOLDER does without one"):
        home(".cache", "HF_HOME")


def test_room_is_looked_for_before_the_work(tmp_path, monkeypatch):
    require_room(tmp_path / "deep/down", 1000)
    monkeypatch.setattr("resource.getrlimit", lambda what: (10_000, 10_000))
    require_room(tmp_path / "a", 5000)
    with pytest.raises(RequestError, match="File too large"):
        require_room(tmp_path / "a", 5000, parts=2)
