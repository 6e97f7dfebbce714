"""The two ways a command can fail; everything else is a bug and shows a traceback with --debug."""

import difflib
from collections.abc import Iterable


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


def near(name: str, known: Iterable[str]) -> str:
    """The end of a message about a name that is not known: "; did you mean NAME?" where one is close, else ""."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
