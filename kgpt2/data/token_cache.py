"""Tokenised sources on disk, so that they are read and tokenised once: keyed by content, bounded, safe to share.

A folder holds one source in one vocabulary: flat arrays, mapped when they are used, and `summary.json`. It is written
under another name and renamed when it is complete, so that a killed process leaves nothing that could load wrong.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from kgpt2.checkpoints.bert_tokenizer import SPECIAL_TOKENS, BertTokenizer
from kgpt2.checkpoints.checkpoint import Tokenizer
from kgpt2.checkpoints.vocabulary import count_vocabulary, read_vocabulary
from kgpt2.data.example import Example, Report, Source, refuse
from kgpt2.data.reading import read_examples
from kgpt2.data.tokens import TokenTable, encode, id_type
from kgpt2.errors import RequestError
from kgpt2.files import cache_home, write_text

LIMIT = 20 << 30
# Another number whenever the same source would give other tokens: part of every key.
REVISION = 2
SHOWN = 20  # examples that are kept as texts
_CHUNK = 8192
_ABANDONED = 24 * 3600  # seconds after which a half-written folder belongs to no living process
_ARRAYS = ("ids", "ends", "prompts", "keys")

Progress = Callable[[float, int], None]


@dataclasses.dataclass(frozen=True)
class Tokenised:
    """A source in tokens, and what became of its rows.

    Attributes:
        spec: the source's.
        table: the examples.
        examples: the first texts, prompts included.
        characters: of prompts and texts.
        unknown: how many tokens are [UNK].
        dropped, cleaned, problems: as in `Report`.
    """

    spec: str
    table: TokenTable
    examples: list[str]
    characters: int
    unknown: int
    dropped: dict[str, int]
    cleaned: dict[str, int]
    problems: list[str]


def tokenise(
    source: Source, tokenizer: Tokenizer, *, strict: bool, as_typed: bool = False, progress: Progress | None = None
) -> Tokenised:
    """A source in a tokenizer's tokens, as its model reads it, from the cache where it is there.

    Args:
        source: the examples.
        tokenizer: the model's.
        strict: a bad row is an error (it is counted otherwise).
        as_typed: no mark or character is read in another form; see `kgpt2.data.reading`.
        progress: told from time to time how much has been read, from 0 to 1, and how many examples that were.

    Raises:
        RequestError: the source cannot be read, holds no example, or a bad row with `strict`.
    """
    key = _key("tokens", source.identity(), tokenizer.identity, "as typed" if as_typed else "as read")
    home = _home()
    if (stored := _load(home / key, tokenizer, source.spec)) is not None:
        if strict and stored.problems:
            refuse(stored.problems[0])
        return stored
    try:
        home.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=home, prefix=f".{key}."))
    except OSError as error:
        raise RequestError(
            f"{home}: cannot be written ({error.strerror})\nKGPT2_CACHE=FOLDER chooses another cache"
        ) from None
    try:
        report = Report(strict=strict)
        examples = read_examples(source.read(report), tokenizer, report, as_typed)
        _write(temporary, source.spec, examples, tokenizer, report, progress or (lambda done, examples: None))
        # Where another process was faster, its folder stays: it holds the same.
        with contextlib.suppress(OSError):
            os.rename(temporary, home / key)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _trim(home, keep=key)
    stored = _load(home / key, tokenizer, source.spec)
    if stored is None:
        raise RequestError(f"{home / key}: the tokens just written cannot be read back; is the disk full?")
    return stored


def counted_tokenizer(sources: list[Source], least: int = 1) -> BertTokenizer:
    """The tokenizer of the characters that the examples have at least so often; they are counted once and kept.

    The marks of the sources are tokens of their own, and special.

    Raises:
        RequestError: a source cannot be read.
    """
    marks = dict.fromkeys((mark for source in sources for mark in source.marks), True)
    key = _key("vocabulary", str(least), *marks, *(source.identity() for source in sources))
    path = _home() / f"{key}.vocabulary.txt"
    if not path.exists():
        examples = (example for source in sources for example in source.read(Report()))
        texts = (_without(marks, example.prompt) + example.text for example in examples)
        texts = (_without(SPECIAL_TOKENS, text) for text in texts)
        tokens = count_vocabulary(texts, least)
        special = len(SPECIAL_TOKENS)
        write_text(path, "".join(f"{token}\n" for token in (*tokens[:special], *marks, *tokens[special:])))
    return BertTokenizer(read_vocabulary(path), added_tokens=marks)


def _without(marks: Iterable[str], text: str) -> str:
    for mark in marks:
        text = text.replace(mark, "")
    return text


def _home() -> Path:
    return cache_home() / "tokens"


def _key(*parts: str) -> str:
    return hashlib.blake2b(repr((REVISION, *parts)).encode(), digest_size=16).hexdigest()


def _write(
    folder: Path, spec: str, examples: Iterator[Example], tokenizer: Tokenizer, report: Report, progress: Progress
) -> None:
    unknown_id = getattr(tokenizer, "unknown_id", None)
    count = characters = unknown = tokens = 0
    first: list[str] = []
    with contextlib.ExitStack() as files:
        opened = {name: files.enter_context(open(folder / f"{name}.bin", "wb")) for name in _ARRAYS}
        for chunk in _chunks(examples):
            table = encode(chunk, tokenizer)
            for name, file in opened.items():
                array = getattr(table, name)
                file.write((array + tokens if name == "ends" else array).tobytes())
            first += [example.prompt + example.text for example in chunk[: SHOWN - len(first)]]
            count += len(chunk)
            tokens += len(table.ids)
            characters += sum(len(example.prompt) + len(example.text) for example in chunk)
            unknown += int((table.ids == unknown_id).sum()) if unknown_id is not None else 0
            progress(report.done, count)
        for file in opened.values():
            file.flush()
            os.fsync(file.fileno())
    if not count:
        told = "".join(f"\n{problem}" for problem in report.problems[:1])
        raise RequestError(f"{spec}: no example is left ({_counted(report) or 'the source is empty'}){told}")
    sizes = {name: (folder / f"{name}.bin").stat().st_size for name in _ARRAYS}
    summary = {"spec": spec, "examples": first, "characters": characters, "unknown": unknown}
    summary |= {
        "dropped": dict(+report.dropped),
        "cleaned": dict(+report.cleaned),
        "problems": report.problems,
        "sizes": sizes,
    }
    write_text(folder / "summary.json", json.dumps(summary, ensure_ascii=False))


def _load(folder: Path, tokenizer: Tokenizer, spec: str) -> Tokenised | None:
    try:
        summary = json.loads((folder / "summary.json").read_text("utf-8"))
        os.utime(folder / "summary.json")
        types = {"ids": id_type(tokenizer), "ends": np.int64, "prompts": np.uint32, "keys": np.uint64}
        arrays = {name: np.memmap(folder / f"{name}.bin", kind, "r") for name, kind in types.items()}
        # Bad rows are told by the name of their file, and the same content may lie in another file now.
        told = summary.pop("spec") == spec or not summary["problems"]
        whole = told and summary.pop("sizes") == {name: array.nbytes for name, array in arrays.items()}
    except (OSError, ValueError, KeyError):
        whole = False
    if not whole:
        shutil.rmtree(folder, ignore_errors=True)  # somebody has touched it; where it is not there, nothing happens
        return None
    return Tokenised(spec, TokenTable(**arrays), **summary)


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
    total = 0
    folders = []
    for folder in home.iterdir():
        with contextlib.suppress(OSError):
            if folder.name.startswith("."):
                if time.time() - folder.stat().st_mtime > _ABANDONED:
                    shutil.rmtree(folder, ignore_errors=True)
            elif folder.is_dir():
                size = sum(path.stat().st_size for path in folder.iterdir())
                folders.append((folder.name != keep, -(folder / "summary.json").stat().st_mtime, size, folder))
    for _, _, size, folder in sorted(folders, key=lambda one: one[:2]):
        total += size
        if total > LIMIT and folder.name != keep:
            shutil.rmtree(folder, ignore_errors=True)
