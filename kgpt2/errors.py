"""The two ways a command can fail, everything else is a bug; and how a message repeats what a stranger wrote."""

import difflib
import reprlib
import unicodedata
from collections.abc import Iterable

# Characters of a name or value that a message repeats, of a line of it, and its lines.
_NAME, _LINE, _LINES = 80, 2000, 6


class Kgpt2Error(Exception):
    """A failure that a user can act on: the message names the thing and the way out, in one or two lines."""

    exit_status = 1


class RequestError(Kgpt2Error):
    """The request was wrong: an option, a configuration, a file or a model. Exit status 2."""

    exit_status = 2


class WorkError(Kgpt2Error):
    """The request was right and the work failed all the same. Exit status 1."""


class Interrupted(WorkError):
    """The user stopped the work; the message says what is left of it and how to go on. Exit status 1."""


class Note(UserWarning):
    """Something that a user should know, and that stops nothing. Commands print it on stderr."""


def escaped(text: object, limit: int = _NAME) -> str:
    r"""A stranger's text as a message may repeat it: in one line, cut, and nothing in it that a terminal obeys.

    Example:
        >>> escaped("a\x1b[31mred")
        'a\\x1b[31mred'
    """
    text = str(text)
    rest = "…" if len(text) > limit else ""
    return "".join(map(_visible, text[:limit])) + rest


def quoted(value: object, limit: int = _NAME) -> str:
    """A stranger's value as Python would write it, escaped and cut; what is large is never written out first.

    Example:
        >>> quoted("x" * 200, limit=5)
        "'xxxxx…'"
    """
    if isinstance(value, str):
        return repr(value if len(value) <= limit else f"{value[:limit]}…")
    try:
        return escaped(reprlib.repr(value), limit)
    except ValueError:  # a whole number of more digits than Python writes
        return f"a huge {type(value).__name__}"


def printable(message: str) -> str:
    r"""A whole message for a terminal, whatever has come into it: a few lines of bearable length.

    Example:
        >>> printable("one line\x07")
        'one line\\x07'
    """
    lines = message.split("\n")
    kept = [escaped(line, _LINE) for line in lines[:_LINES]]
    return "\n".join(kept + ["…"] * (len(lines) > _LINES))


def _visible(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode("ascii")


def near(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The end of a message about a name that is not known: "; did you mean NAME?" where one is close, else "".

    Args:
        name: what was given.
        known: what it may have meant.
        cutoff: how alike they must be, as `difflib.get_close_matches` counts it.

    Example:
        >>> near("sampeler", ["sampler", "seed"])
        '; did you mean sampler?'
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"; did you mean {close[0]}?" if close else ""
