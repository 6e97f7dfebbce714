"""The schemas of the chinese-poetry collection: from the content of a JSON file to rows of one shape."""

import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kgpt2.data.poetry.cleaning import STOPS
from kgpt2.errors import RequestError


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """A poem, or a paragraph of prose, as its file has it; `mended` names what was put right by knowing the schema."""

    paragraphs: list[str]
    title: str = ""
    author: str = ""
    dynasty: str = ""
    rhythmic: str = ""
    notes: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()


# From a file's path and content to its rows; raises RequestError.
Schema = Callable[[Path, object], Iterator[Piece]]
_AUTHOR = re.compile(r"(?:（(.+?)）|(.+?)：)?(.*)")


def shi(path: Path, content: object) -> Iterator[Piece]:
    """全唐诗 and its like: author, title, paragraphs; 词 have `rhythmic`, 五代 both.

    Example:
        >>> [poem] = shi(Path("poems.json"), [{"title": "春晓", "paragraphs": ["春眠不觉晓，处处闻啼鸟。"]}])
        >>> poem.title, poem.paragraphs
        ('春晓', ['春眠不觉晓，处处闻啼鸟。'])
    """
    for where, row in _dicts(path, content):
        yield Piece(
            _lines(path, where, row, "paragraphs"),
            title=_text(path, where, row, "title"),
            author=_text(path, where, row, "author"),
            rhythmic=_text(path, where, row, "rhythmic"),
            notes=_notes(row),
        )


def qu(path: Path, content: object) -> Iterator[Piece]:
    """元曲. Where a title has stops, the poem begins in it; ［…］ are the names of tunes and speakers."""
    for row in shi(path, content):
        title, paragraphs = row.title, row.paragraphs
        mended: tuple[str, ...] = ()
        if any(mark in title for mark in STOPS):
            title, _, beginning = title.partition("・")
            paragraphs, mended = [beginning, *paragraphs], ("beginning taken out of the title",)
        paragraphs = [line.replace("［", "〔").replace("］", "〕") for line in paragraphs]
        yield dataclasses.replace(row, title=title, paragraphs=paragraphs, mended=mended)


def classic(path: Path, content: object) -> Iterator[Piece]:
    """诗经, 楚辞 (`content`) and 纳兰性德诗集 (`para`): some lines, or all, end without a stop."""
    for where, row in _dicts(path, content):
        lines, mended = _with_stops(_lines(path, where, row, "para" if "para" in row else "content"))
        yield Piece(
            lines,
            title=_text(path, where, row, "title"),
            author=_text(path, where, row, "author"),
            mended=mended,
        )


def chapters(path: Path, content: object) -> Iterator[Piece]:
    """论语, 四书五经: chapters of prose, each paragraph a row; a book of one chapter is no list."""
    for where, row in _dicts(path, [content] if isinstance(content, dict) else content):
        for line in _lines(path, where, row, "paragraphs"):
            yield Piece([line], title=_text(path, where, row, "chapter"))


def aphorisms(path: Path, content: object) -> Iterator[Piece]:
    """幽梦影: one string, with comments."""
    for where, row in _dicts(path, content):
        text = row.get("content")
        if not isinstance(text, str):
            raise RequestError(f"{path}: {where} has no content (a text was expected)")
        # Two paragraphs of one saying are parted by ##.
        yield Piece([text.replace("##", "")], notes=_notes(row, "comment"))


def pieces(path: Path, content: object) -> Iterator[Piece]:
    """蒙学: the book, or each of its chapters, is one piece."""
    for row in _book(path, content):
        lines = row.paragraphs
        if all(len(line) == 4 and not any(mark in line for mark in STOPS) for line in lines):
            # 千字文: a line a clause.
            lines = [" ".join(pair) for pair in zip(lines[::2], lines[1::2], strict=False)]
        lines, mended = _with_stops(lines)
        yield dataclasses.replace(row, paragraphs=lines, mended=mended)


def prose(path: Path, content: object) -> Iterator[Piece]:
    """蒙学: each paragraph is a piece."""
    for row in _book(path, content):
        for line in row.paragraphs:
            lines, mended = _with_stops([line])
            yield dataclasses.replace(row, paragraphs=lines, mended=mended)


def _book(path: Path, content: object) -> Iterator[Piece]:
    for title, author, row in _leaves(path, content):
        lines = _lines(path, repr(title), row, "paragraphs")
        dynasty, author = _dynasty(author)
        yield Piece(lines, title=title, author=author, dynasty=dynasty)


def _leaves(path: Path, row: object, title: str = "", author: str = "") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Title, author and dict of everything with paragraphs, however deep below `content` it lies."""
    if not isinstance(row, dict):
        raise RequestError(f"{path}: not a file of chinese-poetry (a book with paragraphs or content was expected)")
    title = next((str(row[key]) for key in ("subchapter", "chapter", "title") if row.get(key)), title)
    author = _text(path, repr(title), row, "author") or author
    children = row.get("content", row.get("paragraphs"))
    if isinstance(children, list) and children and all(isinstance(child, dict) for child in children):
        for child in children:
            yield from _leaves(path, child, title, author)
    else:
        yield title, author, row


def _with_stops(lines: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Lines without stops get them: ， and 。 in turn where a space parts two clauses, 。 at the end of a line."""
    mended = []
    for line in lines:
        parts = line.split()
        if parts and not any(mark in line for mark in STOPS):
            line = "".join(part + ("，" if i % 2 == 0 else "。") for i, part in enumerate(parts))
            mended.append(line[:-1] + "。")
        elif parts:
            line = "".join(parts)
            mended.append(line if line[-1] in f"{STOPS}」』”’》）…" else line + "。")
    return mended, (("stops supplied",) if mended != ["".join(line.split()) for line in lines if line.split()] else ())


def _dynasty(author: str) -> tuple[str, str]:
    """（唐）孟浩然 and 先秦：左丘明, parted."""
    match = _AUTHOR.fullmatch(author.strip())
    return (match[1] or match[2] or "", match[3].strip()) if match else ("", author)


def _dicts(path: Path, content: object) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(content, list):
        raise RequestError(f"{path}: not a file of chinese-poetry (a list of poems was expected)")
    for number, row in enumerate(content, 1):
        if not isinstance(row, dict):
            raise RequestError(f"{path}: poem {number} is no object (keys and values were expected)")
        yield f"poem {number}", row


def _lines(path: Path, where: str, row: dict[str, Any], key: str) -> list[str]:
    lines = row.get(key)
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise RequestError(f"{path}: {where} has no {key} (a list of lines was expected)")
    return lines


def _text(path: Path, where: str, row: dict[str, Any], key: str) -> str:
    text = row.get(key)
    if text is not None and not isinstance(text, str):
        raise RequestError(f"{path}: {where}: {key} is no text")
    return (text or "").strip()


def _notes(row: dict[str, Any], key: str = "notes") -> tuple[str, ...]:
    notes = row.get(key) or ()
    return tuple(str(note) for note in ([notes] if isinstance(notes, str) else notes))
