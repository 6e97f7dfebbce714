"""Where prompts come from (the command line, a file, stdin: always as a stream), and how a model reads them."""

import hashlib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.data.reading import Reader
from kgpt2.encodings import or_convert, told_encoding
from kgpt2.errors import RequestError, quoted
from kgpt2.files import require_regular
from kgpt2.verse.han import HAN
from kgpt2.verse.notation import SEPARATOR

# 丹 枫 江 冷 人 初 去 -, as the cards of the UER models have their prompts.
_SPACED = re.compile(f"[{HAN}](?: [{HAN}，。！？；：、-])+ ?")
_MAX_STDIN = 256 << 20  # bytes: it is held in memory
_SIDE = re.compile(f"([{HAN}]{{5,}}|[{HAN}，；、]{{8,}}(?<![，；、])) *[-－–—|/\\t]?")
_HEAD = 1 << 16  # bytes of a file that are looked at before it is read
_COUPLETS = "uer", "gpt2-chinese-couplet"


def reader_of(checkpoint: Checkpoint) -> Callable[[str], str]:
    """Makes of a prompt what the model learned to read.

    A start token that is written out, as model cards do ([CLS]), goes. Chinese models: the spaces between characters
    go, and `kgpt2.data.reading` settles marks and characters. UER's own couplet model: behind a whole first side comes
    the `-` that parted the sides when it learned (source: its model card).
    """
    couplets = _is_uers_couplet_model(checkpoint.folder)
    reader = Reader(checkpoint.tokenizer)

    def read(text: str) -> str:
        text = reader.prompt(text)
        if checkpoint.is_chinese and _SPACED.fullmatch(text):
            text = text.replace(" ", "")
        side = _SIDE.fullmatch(text) if couplets else None
        return side[1] + SEPARATOR if side else text

    return read


def _is_uers_couplet_model(folder: Path) -> bool:
    """Whether a folder is that of hf://uer/gpt2-chinese-couplet, in the cache of downloads or as uer/NAME beside it."""
    return f"models--{'--'.join(_COUPLETS)}" in folder.parts or folder.parts[-2:] == _COUPLETS


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
        self._head = b""  # what the encoding of a file and the ends of its lines are told by
        if file == "-":
            data = _stdin()
            self._head = data[:_HEAD]
            self._given = data.split(b"\r" if self._ends_in_cr() else b"\n")
        elif file is not None:
            self._path = Path(file)
            require_regular(self._path, "prompt file")
            with self._opened() as opened:
                self._head = opened.read(_HEAD)
        if (told := told_encoding(self._head)) and told.startswith("UTF"):
            raise RequestError(self._not_utf8(1, "", told))
        if next(iter(self), None) is None:
            raise RequestError(
                f"{file}: no prompt in it" if file else 'no prompt: kgpt2 generate "PROMPT", --prompts FILE, or --form'
            )

    def __iter__(self) -> Iterator[str]:
        return (prompt for _, prompt in self.placed())

    def placed(self) -> Iterator[tuple[str, str]]:
        """Each prompt with the place that an error can name, "FILE, line N: "; "" for those given one by one."""
        for number, line in enumerate(self._lines(), 1):
            try:
                prompt = line.decode("utf-8")
            except UnicodeDecodeError as error:
                if self._name is None:
                    raise RequestError(f"the prompt {quoted(line.decode('utf-8', 'replace'))} is not UTF-8") from None
                told = told_encoding(self._head) or told_encoding(line)
                raise RequestError(self._not_utf8(number, f" (0x{line[error.start]:02x})", told)) from None
            if self._name is None or prompt.strip():
                yield (f"{self._name}, line {number}: " if self._name else ""), prompt

    def digest(self) -> str:
        """Changes with the prompts."""
        digest = hashlib.sha256()
        for prompt in self:
            digest.update(prompt.encode() + b"\n")
        return digest.hexdigest()

    def _ends_in_cr(self) -> bool:
        """Whether lines end as on a Macintosh of old."""
        return b"\r" in self._head and b"\n" not in self._head

    def _opened(self) -> BinaryIO:
        assert self._path is not None
        try:
            return open(self._path, "rb")
        except OSError as error:
            raise RequestError(f"{self._path}: cannot be read ({error.strerror})") from None

    def _not_utf8(self, number: int, byte: str, told: str | None) -> str:
        guess = f", it looks like {told}" if told else ""
        way_out = or_convert(told, Path(self._name or "").name)
        return f"{self._name}, line {number}: not UTF-8{byte}{guess}\nsave it as UTF-8{way_out}"

    def _lines(self) -> Iterator[bytes]:
        if self._path is None:
            lines: Iterator[bytes] = iter(self._given)
        elif self._ends_in_cr():
            with self._opened() as opened:
                lines = iter(opened.read().split(b"\r"))
        else:
            lines = self._opened()  # closed when it has been read
        for number, line in enumerate(lines):
            if self._name is not None:
                line = line.removesuffix(b"\n").removesuffix(b"\r")
            yield line.removeprefix(b"\xef\xbb\xbf") if number == 0 and self._name is not None else line


def _stdin() -> bytes:
    if sys.stdin is None:
        raise RequestError("--prompts -: stdin is closed")
    try:
        data = sys.stdin.buffer.read(_MAX_STDIN + 1)
    except OSError as error:
        raise RequestError(f"--prompts -: stdin cannot be read ({error.strerror or error})") from None
    if len(data) > _MAX_STDIN:
        raise RequestError(f"--prompts -: more than {_MAX_STDIN:,} bytes; give so many prompts as a file")
    return data
