"""The texts that `kgpt2 verse check` looks at: one as it is typed, or those of a file."""

import os
import re
from collections.abc import Iterator

from kgpt2.errors import RequestError, quoted

# A name of a file, and not a line of verse: it ends as names of files do.
_FILE_NAME = re.compile(r".*\.[A-Za-z0-9]{1,5}", re.S)


def texts_of(given: str) -> Iterator[str]:
    """The text, or those of a file, a line each.

    Raises:
        RequestError: the file is not there or cannot be read, or one of them holds no Chinese character.

    Example:
        >>> list(texts_of("春风 桃李"))
        ['春风 桃李']
    """
    from pathlib import Path

    from kgpt2.files import read_text
    from kgpt2.verse.han import is_han

    named = os.path.isfile(given) or _FILE_NAME.fullmatch(given) is not None
    lines = read_text(Path(given), "file of verse").splitlines() if named else [" ".join(given.split())]
    for number, line in enumerate(lines, 1):
        if any(map(is_han, line)):
            yield line
        elif line.strip() or not named:
            place = f"{given}, line {number}: " if named else ""
            raise RequestError(f"{place}{quoted(line, 30)} holds no Chinese character; give a text, or a file of texts")
