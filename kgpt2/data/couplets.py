"""Couplets (对联): from files of any usual layout, or out of regulated verse; one text each, 上联-下联."""

import contextlib
import io
import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TextIO

from kgpt2.data.example import Example, Report, Source
from kgpt2.data.poetry.cleaning import clauses
from kgpt2.data.poetry.collection import Poem, open_poetry, read_poems
from kgpt2.data.splits import key_of
from kgpt2.data.text_files import Columns, digest_of, open_files
from kgpt2.errors import RequestError
from kgpt2.files import open_regular
from kgpt2.verse.han import FULL_WIDTH, HAN

# Columns that hold the two sides, or the whole couplet; the first that are there are taken.
COLUMNS = ("{up}-{down}", "{上联}-{下联}", "{in}-{out}", "{text1}-{text2}", "text1", "text")
# Between the sides: the form of the UER checkpoints first, then what files and articles use.
_SEPARATORS = re.compile(r"\s*(?:-|—+|=>|\t|；)\s*")
_LABEL = re.compile("[上下][联句][:：]")
_MARKS = "，。！？；：、"
_FULL_WIDTH = str.maketrans(FULL_WIDTH)
_HAN = re.compile(f"[{HAN}{_MARKS}]+")


def open_couplets(path: Path, text: str | None = None) -> Source:
    """Couplets in a folder with `in.txt` and `out.txt`, or in any file that `open_files` reads.

    Args:
        path: the folder or the file.
        text: the column or template with the whole couplet; None: the first of `COLUMNS` that is there.

    Raises:
        RequestError: there is nothing of the kind.
    """
    if path.is_dir():
        return _two_files(path)
    source = open_files([str(path)], Columns(text, choices=COLUMNS))

    def read(report: Report) -> Iterator[Example]:
        yield from normalised(((*split_sides(example.text), "") for example in source.read(report)), report)

    return Source(f"couplets of {path}", lambda: f"couplets {source.identity()}", read)


def normalised(pairs: Iterator[tuple[str, str, str]], report: Report) -> Iterator[Example]:
    """Couplets as examples; what is none, or has come before in either order, is counted and left out.

    Args:
        pairs: two sides, and the group that the couplet belongs to ("": to none but its own).
        report: is told.
    """
    seen: set[int] = set()
    for up, down, group in pairs:
        first, second = mend(up), mend(down)
        if (first, second) != (up, down):
            report.cleaned["spaces, labels or marks"] += 1
        reason = fault(first, second)
        if not reason:
            key, swapped = key_of(f"{first}-{second}"), key_of(f"{second}-{first}")
            reason = "duplicate" if key in seen else "swapped duplicate" if swapped in seen else ""
            seen.add(key)
        if reason:
            report.dropped[reason] += 1
        else:
            yield Example(f"{first}-{second}", group=group)


def mend(side: str) -> str:
    """A side without spaces, without 上联 or 下联 before it, its punctuation full-width, no mark at its ends."""
    return _LABEL.sub("", re.sub(r"\s", "", side)).translate(_FULL_WIDTH).strip(_MARKS)


def fault(up: str, down: str) -> str:
    """Why two sides are no couplet; "" where they are one."""
    if not up or not down:
        return "empty side"
    if not _HAN.fullmatch(up) or not _HAN.fullmatch(down):
        return "not Chinese"
    if len(up) != len(down):
        return "unequal lengths"
    if [character in _MARKS for character in up] != [character in _MARKS for character in down]:
        return "unequal punctuation"
    return "equal sides" if up == down else ""


def split_sides(text: str) -> tuple[str, str]:
    """The two sides of a couplet in one text; the second is "" where no separator tells them apart.

    A single space separates where nothing else does; characters may stand apart ("丹 枫 - 绿 柳").
    """
    parts = _SEPARATORS.split(text.strip())
    if len(parts) == 1:
        parts = text.split()
    return (parts[0], parts[1]) if len(parts) == 2 else (text, "")


def open_verse_couplets(root: Path, part: str = "", script: str | None = None) -> Source:
    """The couplets of regulated verse: of eight lines the third and fourth, the fifth and sixth, parallel by rule.

    Args:
        root: a folder of chinese-poetry.
        part: of the collection; "": Tang and Song, as far as they are there.
        script: "simplified" or "traditional"; None: as the collection has it.

    Raises:
        RequestError: the folder has no such part.
    """
    parts = [part] if part else _regulated(root)
    sources = [open_poetry(root, name, script) for name in parts]

    def pairs(report: Report) -> Iterator[tuple[str, str, str]]:
        for name in parts:
            for poem in read_poems(root, name, script, report):
                yield from couplets_of(poem)

    def read(report: Report) -> Iterator[Example]:
        yield from normalised(pairs(report), report)

    return Source("couplets/verse", lambda: " ".join(["verse", *(one.identity() for one in sources)]), read)


def couplets_of(poem: Poem) -> list[tuple[str, str, str]]:
    """The two parallel couplets of a poem of eight lines, each with the poem's group; none of any other poem."""
    if poem.form not in ("五律", "七律"):
        return []
    lines = clauses(poem.text)
    return [(lines[2], lines[3], poem.group), (lines[4], lines[5], poem.group)]


def _two_files(folder: Path) -> Source:
    found = [one for one in (folder, folder / "train", folder / "test") if (one / "in.txt").exists()]
    if not found:
        raise RequestError(
            f"{folder}: no couplets here; a folder holds in.txt and out.txt, or train/ and test/ with them"
        )
    pairs = [(one / "in.txt", one / "out.txt") for one in found]
    if missing := [down for _, down in pairs if not down.exists()]:
        raise RequestError(f"{missing[0]}: there is no such file, but in.txt beside it")

    def sides(report: Report) -> Iterator[tuple[str, str, str]]:
        for up, down in pairs:
            with _opened(up) as first, _opened(down) as second:
                for number, (one, other) in enumerate(zip_longest(first, second), 1):
                    if one is None or other is None:
                        shorter = up if one is None else down
                        report.bad("one side only", f"{shorter}, line {number}: the file ends, the other one goes on")
                        break
                    yield one, other, ""
        report.done = 1.0

    return Source(
        f"couplets of {folder}",
        lambda: digest_of([path for pair in pairs for path in pair], "couplets"),
        lambda report: normalised(sides(report), report),
    )


def _opened(path: Path) -> TextIO:
    """What is not UTF-8 becomes U+FFFD, which no couplet holds."""
    return io.TextIOWrapper(open_regular(path, "data file"), encoding="utf-8-sig", errors="replace", newline="\n")


def _regulated(root: Path) -> list[str]:
    """The parts with regulated verse whose files lie in a folder; Tang where none does, for its error."""
    found = []
    for part in ("tang", "song"):
        with contextlib.suppress(RequestError):
            open_poetry(root, part, None)
            found.append(part)
    return found or ["tang"]
