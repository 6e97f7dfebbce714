"""Keeps what libraries print while they are imported off the terminal."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps what C++ prints off the terminal; where the block fails, it is printed after all.

    TensorFlow writes lines before its own log level is in force, so no environment variable stops them.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept, contextlib.ExitStack() as restore:
        terminal = os.dup(2)
        restore.callback(os.close, terminal)
        restore.callback(os.dup2, terminal, 2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except Exception:  # an interrupt needs no explanation
            kept.seek(0)
            os.write(terminal, kept.read())
            raise
