"""Tokenised sources on disk, so that they are read and tokenised once: keyed by content, bounded, safe to share.

A folder holds one source in one vocabulary: flat arrays, mapped when they are used, and `summary.json`. It is written
under another name and renamed when it is complete, so that a killed process leaves nothing that could load wrong. Its
files are sealed: one that has been damaged is found.
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from kgpt2.cache import Damaged, SealedFile, cache_folder, sealed_size, tell_damaged, tell_unkept, unkept
from kgpt2.checkpoints.bert_tokenizer import SPECIAL_TOKENS, BertTokenizer
from kgpt2.checkpoints.checkpoint import Tokenizer
from kgpt2.checkpoints.vocabulary import count_vocabulary
from kgpt2.data.example import Example, Report, Source, refuse
from kgpt2.data.reading import read_examples
from kgpt2.data.tokens import TokenTable, encode, id_type
from kgpt2.errors import RequestError
from kgpt2.writing import sweep, temporary_folder, whole_file, write_text

LIMIT = 20 << 30
# Another number whenever the same source would give other tokens: part of every key.
REVISION = 3
SHOWN = 20  # examples that are kept as texts
_CHUNK = 8192
_NAME = "tokens"
_ARRAYS = ("ids", "ends", "prompts", "keys")

Progress = Callable[[float, int], None]
_Integer = TypeVar("_Integer", bound=np.integer)


@dataclasses.dataclass(frozen=True)
class Tokenised:
    """A source in tokens, and what became of its rows.

    Attributes:
        spec: the source's.
        table: the examples.
        examples: the first texts, prompts included.
        characters: of prompts and texts.
        unknown: how many tokens are [UNK].
        dropped, cleaned, problems, fatal: as in `Report`.
    """

    spec: str
    table: TokenTable
    examples: list[str]
    characters: int
    unknown: int
    dropped: dict[str, int]
    cleaned: dict[str, int]
    problems: list[str]
    fatal: str


def tokenise(
    source: Source,
    tokenizer: Tokenizer,
    *,
    strict: bool,
    as_typed: bool = False,
    progress: Progress | None = None,
    must_keep: bool = False,
) -> Tokenised:
    """A source in a tokenizer's tokens, as its model reads it, from the cache where it is there.

    Where the cache takes nothing, the tokens are held in memory, and the user is told.

    Args:
        source: the examples.
        tokenizer: the model's.
        strict: a bad row is an error (it is counted otherwise).
        as_typed: no mark or character is read in another form; see `kgpt2.data.reading`.
        progress: told from time to time how much has been read, from 0 to 1, and how many examples that were.
        must_keep: a cache that takes nothing is an error.

    Raises:
        RequestError: the source cannot be read, holds no example, or a bad row with `strict`; or see `must_keep`.
    """
    progress = progress or (lambda done, examples: None)
    read = dataclasses.replace(
        source, read=lambda report: read_examples(source.read(report), tokenizer, report, as_typed)
    )
    key = _key("tokens", source.identity(), tokenizer.identity, "as typed" if as_typed else "as read")
    try:
        home = cache_folder(_NAME)
        if (stored := _load(home / key, tokenizer, source.spec)) is not None:
            if strict and stored.fatal:
                refuse(stored.fatal)
            return stored
        return _keep(home / key, read, tokenizer, strict, progress)
    except OSError as error:
        if must_keep:
            raise RequestError(unkept("the tokens are", error)) from None
        tell_unkept("the tokens are", error)
    parts: dict[str, list[NDArray[np.integer]]] = {name: [] for name in _ARRAYS}
    summary = _read(read, tokenizer, Report(strict=strict), progress, lambda name, array: parts[name].append(array))
    return Tokenised(source.spec, TokenTable(**{name: np.concatenate(parts[name]) for name in _ARRAYS}), **summary)


def counted_tokenizer(sources: list[Source], least: int = 1) -> BertTokenizer:
    """The tokenizer of the characters that the examples have at least so often; they are counted once and kept.

    The marks of the sources are tokens of their own, and special.

    Raises:
        RequestError: a source cannot be read.
    """
    marks = dict.fromkeys((mark for source in sources for mark in source.marks), True)
    key = _key("vocabulary", str(least), *marks, *(source.identity() for source in sources))
    if (kept := _load_vocabulary(key)) is not None:
        return BertTokenizer(kept, added_tokens=marks)
    examples = (example for source in sources for example in source.read(Report()))
    texts = (_without(marks, example.prompt) + example.text for example in examples)
    counted = count_vocabulary((_without(SPECIAL_TOKENS, text) for text in texts), least)
    special = len(SPECIAL_TOKENS)
    vocabulary = [*counted[:special], *marks, *counted[special:]]
    try:
        with whole_file(_vocabulary_path(key)) as temporary, SealedFile(temporary) as file:
            file.write("\n".join(vocabulary).encode())
    except OSError as error:
        tell_unkept("the vocabulary is", error)
    return BertTokenizer(vocabulary, added_tokens=marks)


def _load_vocabulary(key: str) -> list[str] | None:
    try:
        path = _vocabulary_path(key)
        with path.open("rb") as file:
            return file.read(sealed_size(path)).decode().split("\n")
    except Damaged:
        tell_damaged(path, "the vocabulary is")
    except OSError:
        pass
    return None


def _vocabulary_path(key: str) -> Path:
    return cache_folder(_NAME) / f"{key}.vocabulary"


def _without(marks: Iterable[str], text: str) -> str:
    for mark in marks:
        text = text.replace(mark, "")
    return text


def _key(*parts: str) -> str:
    return hashlib.blake2b(repr((REVISION, *parts)).encode(), digest_size=16).hexdigest()


def _keep(folder: Path, source: Source, tokenizer: Tokenizer, strict: bool, progress: Progress) -> Tokenised:
    """Tokenises a source into a folder of the cache.

    Raises:
        OSError: the disk does not take it.
    """
    report = Report(strict=strict)
    with temporary_folder(folder) as temporary:
        with contextlib.ExitStack() as opened:
            files = {name: opened.enter_context(SealedFile(temporary / f"{name}.bin")) for name in _ARRAYS}
            summary = _read(source, tokenizer, report, progress, lambda name, array: files[name].write(array.tobytes()))
        summary["spec"] = source.spec
        write_text(temporary / "summary.json", json.dumps(summary | {"digest": _digest(summary)}, ensure_ascii=False))
        # Where another process was faster, its folder stays: it holds the same.
        with contextlib.suppress(OSError):
            os.rename(temporary, folder)
    _trim(folder.parent, keep=folder.name)
    if (stored := _load(folder, tokenizer, source.spec)) is None:
        raise OSError(errno.EIO, "the tokens just written cannot be read back", str(folder))
    return stored


def _load(folder: Path, tokenizer: Tokenizer, spec: str) -> Tokenised | None:
    if not folder.is_dir():
        return None
    try:
        summary = json.loads((folder / "summary.json").read_text("utf-8"))
        if summary.pop("digest") != _digest(summary):
            raise Damaged
        table = TokenTable(
            ids=_mapped(folder / "ids.bin", id_type(tokenizer)),
            ends=_mapped(folder / "ends.bin", np.int64),
            prompts=_mapped(folder / "prompts.bin", np.uint32),
            keys=_mapped(folder / "keys.bin", np.uint64),
        )
        with contextlib.suppress(OSError):
            os.utime(folder / "summary.json")
        # Bad rows are told by the name of their file, and the same content may lie in another file now.
        if summary.pop("spec") == spec or not summary["problems"]:
            return Tokenised(spec, table, **summary)
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        tell_damaged(folder, "the tokens are")
    shutil.rmtree(folder, ignore_errors=True)
    return None


def _mapped(path: Path, kind: type[_Integer]) -> NDArray[_Integer]:
    return np.memmap(path, kind, "r", shape=(sealed_size(path) // np.dtype(kind).itemsize,))


def _digest(summary: dict[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(summary, sort_keys=True).encode(), digest_size=16).hexdigest()


def _read(
    source: Source,
    tokenizer: Tokenizer,
    report: Report,
    progress: Progress,
    add: Callable[[str, NDArray[np.integer]], None],
) -> dict[str, Any]:
    """Hands out the arrays of a source's table, chunk by chunk; returns the other fields of its `Tokenised`."""
    unknown_id = getattr(tokenizer, "unknown_id", None)
    count = characters = unknown = tokens = 0
    first: list[str] = []
    for chunk in _chunks(source.read(report)):
        table = encode(chunk, tokenizer)
        for name in _ARRAYS:
            array = getattr(table, name)
            add(name, array + tokens if name == "ends" else array)
        first += [example.prompt + example.text for example in chunk[: SHOWN - len(first)]]
        count += len(chunk)
        tokens += len(table.ids)
        characters += sum(len(example.prompt) + len(example.text) for example in chunk)
        unknown += int((table.ids == unknown_id).sum()) if unknown_id is not None else 0
        progress(report.done, count)
    if not count:
        told = "".join(f"\n{problem}" for problem in report.problems[:1])
        raise RequestError(f"{source.spec}: no example is left ({_counted(report) or 'the source is empty'}){told}")
    return {
        "examples": first,
        "characters": characters,
        "unknown": unknown,
        "dropped": dict(+report.dropped),
        "cleaned": dict(+report.cleaned),
        "problems": report.problems,
        "fatal": report.fatal,
    }


def _chunks(examples: Iterator[Example]) -> Iterator[list[Example]]:
    chunk = []
    for example in examples:
        chunk.append(example)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _counted(report: Report) -> str:
    return ", ".join(f"{count:,} dropped: {reason}" for reason, count in report.dropped.items())


def _trim(home: Path, keep: str) -> None:
    """Removes what was used the longest ago where all together is too large, and what killed processes left."""
    sweep(home)
    total = 0
    folders = []
    for folder in home.iterdir():
        with contextlib.suppress(OSError):
            if folder.is_dir() and not folder.name.startswith("."):
                size = sum(path.stat().st_size for path in folder.iterdir())
                folders.append((folder.name != keep, -(folder / "summary.json").stat().st_mtime, size, folder))
    for _, _, size, folder in sorted(folders, key=lambda one: one[:2]):
        total += size
        if total > LIMIT and folder.name != keep:
            shutil.rmtree(folder, ignore_errors=True)
