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


def texts_of(given: str) -> Iterator[str]:
    """The text, or those of a file, without titles.

    A line of a file is a text. Where the first line of a paragraph ends within a sentence, such as in a comma, the
    paragraph is one text, of several lines. Lines that begin with `#` and those that are a title in 《》 are left out.

    Raises:
        RequestError: the file is not there or cannot be read, or one of them holds no Chinese character.

    Example:
        >>> list(texts_of("《登鹳雀楼》白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"))
        ['白日依山尽，黄河入海流。欲穷千里目，更上一层楼。']
    """
    from pathlib import Path

    from kgpt2.files import read_text
    from kgpt2.verse.han import is_han

    named = os.path.isfile(given) or _FILE_NAME.fullmatch(given) is not None
    texts = _joined(read_text(Path(given), "file of verse").splitlines()) if named else [(1, " ".join(given.split()))]
    for number, text in texts:
        verse = _without_title(text)
        if not any(map(is_han, verse)):
            place = f"{given}, line {number}: " if named else ""
            raise RequestError(f"{place}{quoted(text, 30)} holds no Chinese character; give a text, or a file of texts")
        yield verse


def _joined(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The texts of a file, and the number of the line at which each begins."""
    numbered = [(number, line.strip()) for number, line in enumerate(lines, 1)]
    kept = [(number, line) for number, line in numbered if not _REMARK.match(line)]
    for blank, group in itertools.groupby(kept, key=lambda one: not one[1]):
        paragraph = [] if blank else list(group)
        if paragraph and paragraph[0][1].endswith(_GOES_ON):
            yield paragraph[0][0], "".join(line for _, line in paragraph)
        else:
            yield from paragraph


def _without_title(text: str) -> str:
    """A text without a title in 《》, or one before a colon where what follows has a form that the whole has not."""
    from kgpt2.verse.form import form_of
    from kgpt2.verse.tunes import tune_pattern

    text = _BOOK_TITLE.sub("", text, count=1) if _BOOK_TITLE.match(text) else text
    title, _, rest = text.replace(":", "：").partition("：")
    return rest.strip() if tune_pattern(title) or (form_of(rest) and not form_of(text)) else text
