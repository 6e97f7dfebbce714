"""Couplets (对联): from files of any usual layout, or out of regulated verse; one text each, 上联-下联."""

import contextlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from kgpt2.checkpoints.bert_tokenizer import END, PAD, START
from kgpt2.data.example import Example, Report, Source
from kgpt2.data.lines import Lines, known_encoding
from kgpt2.data.poetry.cleaning import clauses
from kgpt2.data.poetry.collection import Poem, open_poetry, read_poems
from kgpt2.data.splits import key_of
from kgpt2.data.template import Columns
from kgpt2.data.text_files import REVISION, digest_of, open_files
from kgpt2.errors import RequestError
from kgpt2.verse.han import FULL_WIDTH, HAN

# Columns that hold the two sides, or the whole couplet; the first that are there are taken.
COLUMNS = ("{up}-{down}", "{上联}-{下联}", "{in}-{out}", "{text1}-{text2}", "text1", "text")
# Between the sides, what can be nothing else first: a side may have a ； of its own, and a dash is never one.
_SEPARATORS = [
    re.compile(rf"\s*(?:{separator})\s*")
    for separator in (
        *(re.escape(END), "(?:[，；,;。]|(?<![，；,;。]))(?=下[联句][:：])", r"\t+", r"[-－–—―─‐‑−﹣]+>?"),
        *("=+>|→", r"[|｜∣‖/／⁄]+", "[；;]"),
    )
]
_SPECIAL = re.compile("|".join(map(re.escape, (START, END, PAD))), re.IGNORECASE)
# What no eye sees: spaces of no width, and marks of direction.
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_TYPED = "[CLS] or [SEP] left out"
_ENDS = re.compile(rf"\A(?:\s|{_SPECIAL.pattern})+|(?:\s|{_SPECIAL.pattern})+\Z", re.IGNORECASE)
_LABEL = re.compile("[上下][联句][:：]")
_MARKS = "，。！？；：、"
_FULL_WIDTH = str.maketrans(FULL_WIDTH)
_HAN = re.compile(f"[{HAN}{_MARKS}]+")


def open_couplets(path: Path, text: str | None = None, encoding: str | None = None) -> Source:
    """Couplets in a folder with `in.txt` and `out.txt`, or in any file that `open_files` reads.

    Args:
        path: the folder or the file.
        text: the column or template with the whole couplet; None: the first of `COLUMNS` that is there.
        encoding: of the files; None: UTF-8.

    Raises:
        RequestError: there is nothing of the kind.
    """
    if path.is_dir():
        return _two_files(path, known_encoding(encoding))
    source = open_files([str(path)], Columns(text, choices=COLUMNS), encoding=encoding)

    def sides(report: Report) -> Iterator[tuple[str, str, str]]:
        for example in source.read(report):
            report.cleaned[_TYPED] += _SPECIAL.search(example.text) is not None
            yield *split_sides(example.text), ""

    def read(report: Report) -> Iterator[Example]:
        yield from normalised(sides(report), report, "no second side; a - parts the two")

    return Source(f"couplets of {path}", lambda: f"couplets {REVISION} {source.identity()}", read)


def normalised(pairs: Iterator[tuple[str, str, str]], report: Report, lacking: str = "") -> Iterator[Example]:
    """Couplets as examples; what is none, or has come before in either order, is counted and left out.

    Args:
        pairs: two sides, and the group that the couplet belongs to ("": to none but its own).
        report: is told.
        lacking: what a user is told of a row without a second side; "": the reason it is counted under.

    Example:
        >>> list(normalised(iter([("春风", "秋月", "")]), Report()))
        [Example(text='春风-秋月', prompt='', group='')]
    """
    seen: set[int] = set()
    for up, down, group in pairs:
        first, second = mend(up), mend(down)
        if (first, second) != (up, down):
            report.cleaned["spaces, labels or marks"] += 1
        reason = fault(first, second)
        if reason:
            report.leave_out(reason, "" if second else lacking)
            continue
        key, swapped = key_of(f"{first}-{second}"), key_of(f"{second}-{first}")
        reason = "duplicate" if key in seen else "swapped duplicate" if swapped in seen else ""
        seen.add(key)
        if reason:
            report.dropped[reason] += 1
        else:
            yield Example(f"{first}-{second}", group=group)


def mend(side: str) -> str:
    """A side without spaces, without 上联 or 下联 before it, its punctuation full-width, no mark at its ends.

    Example:
        >>> mend("上联：春 风，")
        '春风'
    """
    plain = _UNSEEN.sub("", re.sub(r"\s", "", _SPECIAL.sub("", side)))
    return _LABEL.sub("", plain).translate(_FULL_WIDTH).strip(_MARKS)


def fault(up: str, down: str) -> str:
    """Why two sides are no couplet; "" where they are one.

    Example:
        >>> fault("春风", "秋月"), fault("春风", "秋")
        ('', 'unequal lengths')
    """
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

    A single space separates where nothing else does; characters may stand apart ("丹 枫 - 绿 柳"). [CLS] and [SEP] at
    the ends, as model cards write them out, go.

    Example:
        >>> split_sides("丹 枫 - 绿 柳")
        ('丹 枫', '绿 柳')
    """
    text = _ENDS.sub("", text)
    for separator in _SEPARATORS:
        parts = separator.split(text)
        if len(parts) == 2 and all(parts):
            return parts[0], parts[1]
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


def _two_files(folder: Path, encoding: str | None) -> Source:
    found = [one for one in (folder, folder / "train", folder / "test") if (one / "in.txt").exists()]
    if not found:
        raise RequestError(
            f"{folder}: no couplets here; a folder holds in.txt and out.txt, or train/ and test/ with them"
        )
    pairs = [(one / "in.txt", one / "out.txt") for one in found]
    if missing := [down for _, down in pairs if not down.exists()]:
        raise RequestError(f"{missing[0]}: there is no such file, but in.txt beside it")

    def sides(report: Report) -> Iterator[tuple[str, str, str]]:
        for pair in pairs:
            first, second = (Lines(path, report, encoding) for path in pair)
            for up, down in _side_by_side(first, second, report):
                report.cleaned[_TYPED] += _SPECIAL.search(up + down) is not None
                yield up, down, ""
        report.done = 1.0

    return Source(
        f"couplets of {folder}",
        lambda: digest_of([path for pair in pairs for path in pair], (REVISION, "couplets", encoding)),
        lambda report: normalised(sides(report), report),
    )


def _side_by_side(first: Lines, second: Lines, report: Report) -> Iterator[tuple[str, str]]:
    """The lines of two files of one length; where one of the two is no text, both are left out."""
    for one, other in itertools.zip_longest(first, second):
        if one is None or other is None:
            shorter, number = (first, other[0]) if one is None else (second, one[0])
            report.bad("one side only", f"{shorter.where(number)}: the file ends, the other one goes on")
            return
        if first.is_good(*one) and second.is_good(*other):
            yield one[1].rstrip("\r\n"), other[1].rstrip("\r\n")


def _regulated(root: Path) -> list[str]:
    """The parts with regulated verse whose files lie in a folder; Tang where none does, for its error."""
    found = []
    for part in ("tang", "song"):
        with contextlib.suppress(RequestError):
            open_poetry(root, part, None)
            found.append(part)
    return found or ["tang"]
