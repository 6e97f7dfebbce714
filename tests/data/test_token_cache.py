"""Tokens on disk: found again while nothing has changed, and never half written."""

import errno
import os
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from kgpt2.cache import SealedFile
from kgpt2.checkpoints.bert_tokenizer import BertTokenizer
from kgpt2.checkpoints.vocabulary import count_vocabulary
from kgpt2.data import token_cache
from kgpt2.data.example import Example, Report, Source
from kgpt2.data.sources import Options, inline, open_source
from kgpt2.data.splits import SPLITS, held_out, key_of, split_of
from kgpt2.data.token_cache import counted_tokenizer, tokenise
from kgpt2.errors import Note, RequestError
from kgpt2.writing import temporary_folder
from tests.conftest import LINES


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KGPT2_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tokens"


def tokenizer(texts=LINES):
    return BertTokenizer(count_vocabulary(texts))


def texts(table, codec):
    return [codec.decode(table[i]) for i in range(len(table))]


def counted(source):
    """The same source, and how often it has been read."""
    reads = []

    def read(report):
        reads.append(1)
        return source.read(report)

    return Source(source.spec, source.identity, read), reads


def test_tokens_are_made_once_for_content_and_vocabulary(cache):
    source, reads = counted(inline(LINES))
    codec = tokenizer()
    first, again = (tokenise(source, codec, strict=True) for _ in range(2))
    assert len(reads) == 1
    assert texts(first.table, codec) == texts(again.table, codec) == LINES
    assert isinstance(again.table.ids, np.memmap)
    assert again.table.ids.dtype == np.uint16
    assert again.characters == sum(map(len, LINES))
    assert again.examples == LINES
    other = tokenizer([*LINES[::-1], "甲"])
    assert texts(tokenise(source, other, strict=True).table, other) == LINES
    assert len(reads) == 2
    fewer = inline(LINES[1:])
    assert texts(tokenise(fewer, codec, strict=True).table, codec) == LINES[1:]
    assert len(list(cache.iterdir())) == 3


def test_a_changed_file_is_read_anew(tmp_path):
    path, codec = tmp_path / "a.txt", tokenizer()
    for content in (LINES[:2], LINES[2:]):
        path.write_text("\n".join(content), "utf-8")
        assert texts(tokenise(open_source(str(path)), codec, strict=True).table, codec) == content


def test_prompts_unknown_tokens_and_keys_are_kept():
    codec = tokenizer()
    rows = [Example("龘晓", prompt="春眠"), Example("春眠龘晓"), Example("晓", group="g")]
    made = tokenise(Source("x", lambda: "x", lambda report: iter(rows)), codec, strict=True)
    assert made.table.prompts.tolist() == [2, 0, 0]
    assert made.unknown == 2
    assert made.table.keys.tolist() == [key_of("春眠龘晓"), key_of("春眠龘晓"), key_of("g")]


def test_what_became_of_rows_is_kept_and_strictness_asked_anew(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("春\n\n".encode() + b"\xff\n")
    codec = tokenizer()
    for _ in range(2):
        made = tokenise(open_source(str(path)), codec, strict=False)
        assert made.dropped == {"empty": 1, "not UTF-8": 1}
        assert "line 3" in made.problems[0]
        with pytest.raises(RequestError, match="line 3: not UTF-8"):
            tokenise(open_source(str(path)), codec, strict=True)


def test_a_source_without_examples_is_refused_and_leaves_nothing(cache):
    nothing = Source("nothing.txt", lambda: "n", lambda report: report.dropped.update(empty=2) or iter(()))
    with pytest.raises(RequestError, match=r"nothing\.txt: no example is left \(2 dropped: empty\)"):
        tokenise(nothing, tokenizer(), strict=True)
    assert list(cache.iterdir()) == []


def test_a_bad_row_is_told_by_the_name_that_its_file_has_now(tmp_path):
    codec = tokenizer()
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_bytes("春\n".encode() + b"\xff\n")
        made = tokenise(open_source(str(tmp_path / name)), codec, strict=False)
        assert made.problems[0].startswith(str(tmp_path / name))
    (tmp_path / "c.txt").write_bytes(b"\xff\n")
    with pytest.raises(RequestError, match=r"1 dropped: not UTF-8\)\n.*c\.txt, line 1: not UTF-8"):
        tokenise(open_source(str(tmp_path / "c.txt")), codec, strict=False)


@pytest.fixture(params=["a file", "a full disk", "another user's", "no home"])
def unusable(request, cache, tmp_path, monkeypatch):
    """A cache that takes nothing."""
    if request.param == "a file":
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("KGPT2_CACHE", str(tmp_path / "file"))
    elif request.param == "a full disk":
        monkeypatch.setattr(SealedFile, "write", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "disk full")))
    elif request.param == "another user's":
        cache.mkdir(parents=True)
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    else:
        for name in ("KGPT2_CACHE", "XDG_CACHE_HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    return cache


def test_where_the_cache_takes_nothing_tokens_and_vocabulary_are_held_in_memory(unusable):
    lines = LINES * 3000  # more than a chunk
    with pytest.warns(Note, match="(?s)vocabulary is not kept.*KGPT2_CACHE=FOLDER"):
        codec = counted_tokenizer([inline(lines)])
    assert codec.vocabulary == count_vocabulary(LINES)
    with pytest.warns(Note, match="(?s)tokens are not kept.*KGPT2_CACHE=FOLDER"):
        made = tokenise(inline(lines), codec, strict=True)
    assert texts(made.table, codec) == lines
    assert made.examples == lines[:20]
    with pytest.raises(RequestError, match=r"(?s)tokens are not kept.*KGPT2_CACHE=FOLDER"):
        tokenise(inline(lines), codec, strict=True, must_keep=True)
    assert not list(unusable.glob("*")), "nothing half written is left"


def test_a_cache_that_can_only_be_read_serves(cache, monkeypatch):
    codec = counted_tokenizer([inline(LINES)])
    tokenise(inline(LINES), codec, strict=True)

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    for name in ("utime", "mkdir", "rename", "unlink"):
        monkeypatch.setattr(os, name, refuse)
    source, reads = counted(inline(LINES))
    assert texts(tokenise(source, counted_tokenizer([source]), strict=True).table, codec) == LINES
    assert not reads


@pytest.mark.parametrize("damaged", ["ids.bin", "ends.bin", "prompts.bin", "keys.bin", "summary.json"])
@pytest.mark.parametrize("how", ["a bit", "cut", "gone"])
def test_damaged_tokens_are_found_and_made_anew(cache, damaged, how):
    codec = tokenizer()
    tokenise(inline(LINES), codec, strict=True)
    (folder,) = cache.iterdir()
    path = folder / damaged
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 1
    path.unlink() if how == "gone" else path.write_bytes(data if how == "a bit" else data[:-1])
    with pytest.warns(Note, match="damaged, so the tokens are made anew"):
        assert texts(tokenise(inline(LINES), codec, strict=True).table, codec) == LINES
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenise(inline(LINES), codec, strict=True)


def test_a_damaged_vocabulary_is_counted_anew(cache):
    wanted = counted_tokenizer([inline(LINES)]).vocabulary
    (path,) = cache.iterdir()
    path.write_bytes(path.read_bytes().replace("春".encode(), "秋".encode()))
    with pytest.warns(Note, match="damaged, so the vocabulary is made anew"):
        assert counted_tokenizer([inline(LINES)]).vocabulary == wanted


def test_a_cache_that_somebody_has_touched_is_made_anew(cache):
    codec = tokenizer()
    tokenise(inline(LINES), codec, strict=True)
    (folder,) = cache.iterdir()
    for name, content in (("ids.bin", b"12"), ("summary.json", b"{"), ("ends.bin", b"")):
        (folder / name).write_bytes(content)
        assert texts(tokenise(inline(LINES), codec, strict=True).table, codec) == LINES
    (folder / "keys.bin").unlink()
    assert texts(tokenise(inline(LINES), codec, strict=True).table, codec) == LINES


def test_the_cache_is_bounded_and_swept(cache, monkeypatch):
    codec = tokenizer()
    cache.mkdir(parents=True)
    (cache / ".key.abandoned.kgpt2").mkdir()
    monkeypatch.setattr(token_cache, "LIMIT", 10)
    with temporary_folder(cache / "key") as in_work:
        for lines in (LINES, LINES[1:], LINES[2:]):
            tokenise(inline(lines), codec, strict=True)
        assert in_work in cache.iterdir()
        assert len(list(cache.iterdir())) == 2


def test_threads_that_make_the_same_tokens_at_once(cache):
    codec, lines = tokenizer(), LINES * 2000
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: tokenise(inline(lines), codec, strict=True), range(4)))
    assert all(texts(one.table, codec) == lines for one in made)
    assert len(list(cache.iterdir())) == 1


def test_a_vocabulary_is_counted_once():
    source, reads = counted(inline(LINES))
    first, second = counted_tokenizer([source]), counted_tokenizer([source])
    assert first.vocabulary == second.vocabulary == count_vocabulary(LINES)
    assert len(reads) == 1


@pytest.mark.slow
def test_processes_killed_at_any_moment_leave_nothing_that_loads_wrong(tmp_path, cache):
    path = tmp_path / "a.txt"
    lines = [f"{LINES[number % 4]}{number}" for number in range(30_000)]
    path.write_text("\n".join(lines), "utf-8")
    command = [sys.executable, "-m", "kgpt2", "data", "prepare", str(path)]
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    whole = time.perf_counter() - began
    rng = np.random.default_rng(0)
    source = open_source(str(path))
    codec = counted_tokenizer([source])
    wanted = tokenise(source, codec, strict=True).table.ids.copy()
    for _ in range(8):
        for left in cache.iterdir():
            if left.is_dir() and not left.name.startswith("."):
                for file in left.iterdir():
                    file.unlink()
                left.rmdir()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.1, 1) * whole)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert np.array_equal(tokenise(source, codec, strict=True).table.ids, wanted)


def test_splits_keep_equal_texts_and_groups_together():
    keys = np.array([key_of(f"poem {i % 40}") for i in range(100)], np.uint64)
    out = held_out(keys, 0.2, seed=1)
    assert 15 <= out.sum() <= 26
    assert not set(keys[out]) & set(keys[~out])
    assert (held_out(keys, 0.2, seed=1) == out).all()
    assert (held_out(keys, 0.2, seed=2) != out).any()
    assert held_out(keys[:1], 0.5, seed=0).tolist() == [False]
    assert held_out(keys[:2], 0.01, seed=0).sum() == 1
    assert held_out(keys[:2], 0, seed=0).sum() == 0
    shares = [split_of(f"text {i}") for i in range(4000)]
    for name, (start, stop) in SPLITS.items():
        assert shares.count(name) / 4000 == pytest.approx(stop - start, abs=0.015)


def test_named_splits_cover_a_source_once(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\n".join(f"line {i}" for i in range(300)), "utf-8")
    parts = {name: [example.text for example in open_source(f"{path}:{name}").read(Report())] for name in SPLITS}
    assert sorted(text for part in parts.values() for text in part) == sorted(f"line {i}" for i in range(300))
    assert len(parts["train"]) > 250
    assert open_source(f"{path}:test").identity() != open_source(f"{path}:train").identity()
    few = open_source(f"{path}:train", Options(limit=3))
    assert [example.text for example in few.read(Report())] == parts["train"][:3]
