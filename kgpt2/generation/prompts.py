"""Where prompts come from (the command line, a file, stdin: always as a stream), and how a model reads them."""

import hashlib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from kgpt2.checkpoints.checkpoint import Checkpoint, Tokenizer
from kgpt2.data.script import convert_script
from kgpt2.errors import RequestError, quoted
from kgpt2.files import require_regular
from kgpt2.verse.han import HAN, full_width, is_han
from kgpt2.verse.notation import SEPARATOR

# 丹 枫 江 冷 人 初 去 -, as the cards of the UER models have their prompts.
_SPACED = re.compile(f"[{HAN}](?: [{HAN}，。！？；：、-])+ ?")
_SIDE = re.compile(f"[{HAN}]{{5,}}|[{HAN}，；、]{{8,}}(?<![，；、])")
_MAX_STDIN = 256 << 20  # bytes: it is held in memory
_COUPLETS = "gpt2-chinese-couplet"


def reader_of(checkpoint: Checkpoint) -> Callable[[str], str]:
    """Makes of a prompt what the model learned to read.

    Chinese models: the start token that model cards write out ([CLS]) and the spaces between characters go, a
    half-width mark behind a Chinese character becomes full-width, a character that the vocabulary lacks the simplified
    one where it has that. UER's couplet model: behind a whole first side comes the `-` that parted the sides when it
    learned (source: its model card). All others read prompts as they are.
    """
    if not checkpoint.is_chinese:
        return str
    couplets, known = _COUPLETS in str(checkpoint.folder), checkpoint.tokenizer.token_to_id

    def read(text: str) -> str:
        text = text.removeprefix(checkpoint.tokenizer.start_token)
        if _SPACED.fullmatch(text):
            text = text.replace(" ", "")
        text = full_width(text)
        if lacking := [sign for sign in text if is_han(sign) and sign not in known]:
            simple = dict(zip(lacking, convert_script(lacking, "simplified"), strict=True))
            text = "".join(simple[sign] if simple.get(sign) in known else sign for sign in text)
        return text + SEPARATOR if couplets and _SIDE.fullmatch(text) else text

    return read


def unknown_in(text: str, tokenizer: Tokenizer) -> set[str]:
    """The characters of a prompt that a model's vocabulary lacks."""
    unknown = getattr(tokenizer, "unknown_id", None)
    if unknown is None or unknown not in tokenizer.encode(text):
        return set()
    return {character for character in text if tokenizer.encode(character) == [unknown]}


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
            self._given = _stdin().split(b"\n")
        elif file is not None:
            self._path = Path(file)
            require_regular(self._path, "prompt file")
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
                raise RequestError(
                    f"{self._name}, line {number}: not UTF-8 (0x{line[error.start]:02x})\n"
                    f"save it as UTF-8, or convert it: iconv -f GB18030 -t UTF-8"
                ) from None
            if self._name is None or prompt.strip():
                yield (f"{self._name}, line {number}: " if self._name else ""), prompt

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
