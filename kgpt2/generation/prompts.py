"""Where prompts come from: the command line, a file, or stdin. However many they are, they are read as a stream."""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from kgpt2.errors import RequestError


class Prompts:
    """Prompts that can be read more than once, in order.

    Args:
        arguments: prompts given one by one; an empty one asks for a text from nothing.
        file: one a line, blank lines left out; "-" is stdin, which is read at once.

    Raises:
        RequestError: none or both were given, the file is not there, or the text is not UTF-8.
    """

    def __init__(self, arguments: Sequence[str], file: str | None):
        if arguments and file is not None:
            raise RequestError("--prompts: give prompts either one by one or in a file, not both")
        self._given = [argument.encode("utf-8", "surrogatepass") for argument in arguments]
        self._path: Path | None = None
        self._name = "stdin" if file == "-" else file
        if file == "-":
            self._given = sys.stdin.buffer.read().split(b"\n")
        elif file is not None:
            self._path = Path(file)
            if not self._path.is_file():
                kind = "this is a directory, a" if self._path.is_dir() else "there is no such"
                raise RequestError(f"{file}: {kind} prompt file")
        if next(iter(self), None) is None:
            raise RequestError(
                f"{file}: no prompt in it" if file else 'no prompt: kgpt2 generate "PROMPT", or --prompts FILE'
            )

    def __iter__(self) -> Iterator[str]:
        for number, line in enumerate(self._lines(), 1):
            try:
                prompt = line.decode("utf-8")
            except UnicodeDecodeError as error:
                if self._name is None:
                    raise RequestError(f"the prompt {line.decode('utf-8', 'replace')!r} is not UTF-8") from None
                raise RequestError(
                    f"{self._name}, line {number}: not UTF-8 (0x{line[error.start]:02x})\n"
                    f"save it as UTF-8, or convert it: iconv -f GB18030 -t UTF-8"
                ) from None
            if self._name is None or prompt.strip():
                yield prompt

    def digest(self) -> str:
        """Changes with the prompts."""
        digest = hashlib.sha256()
        for prompt in self:
            digest.update(prompt.encode() + b"\n")
        return digest.hexdigest()

    def _lines(self) -> Iterator[bytes]:
        if self._path is None:
            lines: Iterator[bytes] = iter(self._given)
        else:
            try:
                lines = open(self._path, "rb")  # noqa: SIM115 - closed when it has been read
            except OSError as error:
                raise RequestError(f"{self._path}: cannot be read ({error.strerror})") from None
        for number, line in enumerate(lines):
            if self._name is not None:
                line = line.removesuffix(b"\n").removesuffix(b"\r")
            yield line.removeprefix(b"\xef\xbb\xbf") if number == 0 and self._name is not None else line
