"""The texts that `kgpt2 verse check` looks at: one as it is typed, or those of a file."""

import itertools
import os
import re
from collections.abc import Iterator, Sequence

from kgpt2.errors import RequestError, quoted

# A name of a file, and not a line of verse: it ends as names of files do.
_FILE_NAME = re.compile(r".*\.[A-Za-z0-9]{1,5}", re.S)
_REMARK = re.compile(r"#|《[^》]*》$")
_BOOK_TITLE = re.compile(r"《[^》]*》\s*")
_GOES_ON = tuple("，,、；;：:")
_UNMARKED = re.compile(r"[\w\s·•（）()—]+")
_ABOVE, _LONGEST = 2, 2000  # lines above a text, its title and its poet; characters that are tried as one text


def texts_of(given: str, form: str = "") -> Iterator[str]:
    """The text, or those of a file, without titles.

    A line of a file is a text. A paragraph is one text where the whole has a form and no line has one, and where its
    first line ends within a sentence, such as in a comma. Left out are lines that begin with `#`, titles in 《》, and
    what stands without a mark above a text that has a form: its title, its poet.

    Args:
        given: a text, or the name of a file.
        form: that each text should have; "": any.

    Raises:
        RequestError: the file is not there or cannot be read, or one of them holds no Chinese character.

    Example:
        >>> list(texts_of("《登鹳雀楼》白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"))
        ['白日依山尽，黄河入海流。欲穷千里目，更上一层楼。']
        >>> list(texts_of("登鹳雀楼 白日依山尽 黄河入海流 欲穷千里目 更上一层楼"))
        ['白日依山尽，黄河入海流。欲穷千里目，更上一层楼。']
    """
    from pathlib import Path

    from kgpt2.files import read_text
    from kgpt2.verse.han import is_han

    named = os.path.isfile(given) or _FILE_NAME.fullmatch(given) is not None
    if named:
        texts = _texts(read_text(Path(given), "file of verse").splitlines(), form)
    else:
        texts = iter([(1, _whole(given.splitlines(), form) or " ".join(given.split()))])
    for number, text in texts:
        verse = _without_title(text)
        if not any(map(is_han, verse)):
            place = f"{given}, line {number}: " if named else ""
            raise RequestError(f"{place}{quoted(text, 30)} holds no Chinese character; give a text, or a file of texts")
        yield verse


def _texts(lines: Sequence[str], form: str) -> Iterator[tuple[int, str]]:
    """The texts of a file, and the number of the line at which each begins."""
    numbered = [(number, line.strip()) for number, line in enumerate(lines, 1)]
    kept = [(number, line) for number, line in numbered if not _REMARK.match(line)]
    for blank, group in itertools.groupby(kept, key=lambda one: not one[1]):
        paragraph = [] if blank else [(number, _whole([line], form) or line) for number, line in group]
        lines = [line for _, line in paragraph]
        fitting = [_fits(line, form) for line in lines]
        if paragraph and not any(fitting) and (whole := _whole(lines, form)):
            yield paragraph[0][0], whole
        elif paragraph and lines[0].endswith(_GOES_ON):
            yield paragraph[0][0], "".join(lines)
        else:
            last = len(lines) - 1 - fitting[::-1].index(True) if any(fitting) else 0
            for place, one in enumerate(paragraph):
                if place >= last or fitting[place] or not _UNMARKED.fullmatch(one[1]):
                    yield one


def _whole(lines: Sequence[str], form: str) -> str:
    """Lines as one text with marks, without what stands above it; "" where that has no form."""
    unmarked = all(map(_UNMARKED.fullmatch, lines))
    parts = [part for line in lines for part in line.split()] if unmarked else list(lines)
    if sum(map(len, parts)) > _LONGEST:
        return ""
    for above in range(min(_ABOVE, len(parts) - 1 - unmarked) + 1):
        if not all(map(_UNMARKED.fullmatch, parts[:above])):
            break
        rest = parts[above:]
        whole = "".join(part + "，。"[place % 2] for place, part in enumerate(rest)) if unmarked else "".join(rest)
        if _fits(whole, form):
            return whole
    return ""


def _fits(text: str, form: str) -> bool:
    """Whether a text has a form, or this one."""
    from kgpt2.verse.check import check

    found = check(_without_title(text), form)
    return not any(fault.kind == "形式" for fault in found.faults) and found.form[:1].isalpha()


def _without_title(text: str) -> str:
    """A text without a title in 《》, or one before a colon where what follows has a form that the whole has not."""
    from kgpt2.verse.form import form_of
    from kgpt2.verse.tunes import tune_pattern

    text = _BOOK_TITLE.sub("", text, count=1) if _BOOK_TITLE.match(text) else text
    title, colon, rest = text.replace(":", "：").partition("：")
    return rest.strip() if (colon and tune_pattern(title)) or (form_of(rest) and not form_of(text)) else text
