"""One regular expression for many tokens."""

import itertools
import os
import re
from collections.abc import Iterable

MAX_CHARACTERS = 128


def any_of(tokens: Iterable[str]) -> re.Pattern[str]:
    """Matches the longest of the tokens that begins at a place.

    It is a tree of their beginnings: a list of alternatives would be tried one by one, tens of thousands of them at
    each character of a text.

    Raises:
        ValueError: a token is empty, or so long that the tree would be too deep.
    """
    ordered = sorted(set(tokens))
    if any(not 0 < len(token) <= MAX_CHARACTERS for token in ordered):
        raise ValueError(f"a token that is taken whole has from 1 to {MAX_CHARACTERS} characters")
    return re.compile(_tree(ordered) if ordered else r"(?!)")


def _tree(tokens: list[str]) -> str:
    common = os.path.commonprefix([tokens[0], tokens[-1]])  # noqa: RUF071 - of characters, as is wanted
    rest = [token[len(common) :] for token in tokens if len(token) > len(common)]
    if not rest:
        return re.escape(common)
    branches = "|".join(_tree(list(group)) for _, group in itertools.groupby(rest, key=lambda token: token[0]))
    return f"{re.escape(common)}(?:{branches}){'?' if len(rest) < len(tokens) else ''}"
