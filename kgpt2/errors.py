"""The two ways a command can fail; everything else is a bug and shows a traceback with --debug."""


class Kgpt2Error(Exception):
    """A failure that a user can act on: the message names the thing and the way out, in one or two lines."""

    exit_status = 1


class RequestError(Kgpt2Error):
    """The request was wrong: an option, a configuration, a file or a model. Exit status 2."""

    exit_status = 2


class WorkError(Kgpt2Error):
    """The request was right and the work failed all the same. Exit status 1."""


class Note(UserWarning):
    """Something that a user should know, and that stops nothing. Commands print it on stderr."""
