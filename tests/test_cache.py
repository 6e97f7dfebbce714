"""The cache: the user's own, and sealed, so that damage is found at no cost to a start."""

import errno
import os
import shutil
import stat
import warnings
import zlib
from pathlib import Path

import pytest

from kgpt2 import cache
from kgpt2.cache import (
    Damaged,
    SealedFile,
    cache_folder,
    cache_home,
    drop_damaged_programs,
    mark_used,
    sealed_size,
)
from kgpt2.errors import Note

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def sealed(tmp_path):
    path = tmp_path / "sealed"
    with SealedFile(path) as file:
        file.write(CONTENT[:1000])
        file.write(memoryview(CONTENT)[1000:])
    return path


@pytest.fixture
def reads(monkeypatch):
    """How often a content has been read through."""
    calls, original = [], cache._digest_of
    monkeypatch.setattr(cache, "_digest_of", lambda *values: calls.append(1) or original(*values))
    return calls


def test_a_sealed_file_is_read_through_once_after_writing_and_when_it_has_changed_outwardly(sealed, tmp_path, reads):
    assert sealed.read_bytes()[: len(CONTENT)] == CONTENT
    for _ in range(2):
        mark_used(sealed)
        assert sealed_size(sealed) == len(CONTENT)
    assert not reads
    for change in (
        lambda: os.utime(sealed, ns=(1, 1)),
        lambda: os.replace(shutil.copy2(sealed, tmp_path / "copy"), sealed),  # another inode
        lambda: sealed.write_bytes(sealed.read_bytes()),
    ):
        change()
        for _ in range(2):
            assert sealed_size(sealed) == len(CONTENT)
        assert reads == [1]
        reads.clear()


def test_writing_reads_back(tmp_path, reads):
    with SealedFile(tmp_path / "a") as file:
        file.write(b"x")
    assert reads == [1]


def test_a_disk_that_keeps_something_else_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_digest_of", lambda *_: b"")
    with pytest.raises(OSError, match="reads otherwise"), SealedFile(tmp_path / "a") as file:
        file.write(b"x")


@pytest.mark.parametrize("place", [0, 1000, len(CONTENT) - 1, len(CONTENT), len(CONTENT) + 20])
def test_a_changed_byte_is_found(sealed, place):
    data = bytearray(sealed.read_bytes())
    data[place] ^= 1
    sealed.write_bytes(data)
    with pytest.raises(Damaged):
        sealed_size(sealed)


@pytest.mark.parametrize("length", [0, 10, 64, 1000, len(CONTENT), len(CONTENT) + 63, len(CONTENT) + 65])
def test_another_length_is_found(sealed, length):
    sealed.write_bytes((sealed.read_bytes() + b"x")[:length])
    with pytest.raises(Damaged):
        sealed_size(sealed)


def test_a_sealed_file_that_cannot_be_written_is_read_through_each_time(sealed, monkeypatch, reads):
    os.utime(sealed, ns=(1, 1))
    original = Path.open

    def refuse(self, mode="r", *rest):
        if "+" in mode:
            raise OSError(errno.EROFS, "Read-only file system")
        return original(self, mode, *rest)

    monkeypatch.setattr(Path, "open", refuse)
    assert sealed_size(sealed) == sealed_size(sealed) == len(CONTENT)
    assert reads == [1, 1]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("KGPT2_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "kgpt2"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_cache_is_the_users_alone(home):
    assert (mode(cache_folder("compiled")), mode(home)) == (0o700, 0o700)
    for folder in (home, home / "compiled"):
        folder.chmod(0o777)  # as an earlier version may have left it
    cache_folder("compiled")
    assert (mode(home / "compiled"), mode(home)) == (0o700, 0o700)


def test_a_folder_that_the_user_has_chosen_keeps_its_mode_and_what_is_made_in_it_is_private(tmp_path, monkeypatch):
    monkeypatch.setenv("KGPT2_CACHE", str(tmp_path))
    tmp_path.chmod(0o755)
    assert mode(cache_folder("tokens")) == 0o700
    assert mode(tmp_path) == 0o755


def test_another_users_folder_is_not_used(home, monkeypatch):
    cache_folder("compiled")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(OSError, match="belongs to another user"):
        cache_folder("compiled")


def test_a_folder_that_others_can_write_to_is_not_used(home, monkeypatch):
    cache_folder("compiled").chmod(0o777)
    monkeypatch.setattr(Path, "chmod", lambda *_: None)  # as on a file system without modes
    with pytest.raises(OSError, match="lets other users write"):
        cache_folder("compiled")


def test_without_a_home_directory_there_is_no_cache(monkeypatch):
    for name in ("KGPT2_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(OSError, match="no home directory"):
        cache_home()


def test_programs_that_jax_cannot_read_are_removed_and_the_others_read_once(tmp_path, monkeypatch):
    whole = zlib.compress(CONTENT)
    for name, data in (("whole", whole), ("half", whole[:-9]), ("flipped", whole[:50] + b"?" + whole[51:])):
        (tmp_path / f"{name}-cache").write_bytes(data)
    with pytest.warns(Note, match="the program is made anew"):
        drop_damaged_programs(tmp_path)
    assert [path.name for path in tmp_path.glob("*-cache")] == ["whole-cache"]
    os.utime(tmp_path / "seen", ns=(1 << 62, 1 << 62))  # later than the file
    with warnings.catch_warnings(), monkeypatch.context() as patch:
        warnings.simplefilter("error")
        patch.setattr(Path, "read_bytes", lambda _: pytest.fail("read again"))
        drop_damaged_programs(tmp_path)
    os.utime(tmp_path / "seen", (1, 1))
    (tmp_path / "whole-cache").write_bytes(b"")
    with pytest.warns(Note):
        drop_damaged_programs(tmp_path)
    assert not list(tmp_path.glob("*-cache"))
