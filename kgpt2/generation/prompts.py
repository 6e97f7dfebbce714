"""Where prompts come from (the command line, a file, stdin: always as a stream), and how a model reads them."""

import hashlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.config.settings import Settings
from kgpt2.data.reading import Reader
from kgpt2.encodings import or_convert, told_encoding
from kgpt2.errors import RequestError, quoted
from kgpt2.files import require_regular
from kgpt2.generation.codec import Codec
from kgpt2.generation.forms import mark_for, plans_for
from kgpt2.generation.rows import Prompt
from kgpt2.verse.genres import KEYWORDS_MARK, TEXT_MARK, TITLE_MARK, Asked, prompt_of, split_mark
from kgpt2.verse.han import HAN, full_width
from kgpt2.verse.notation import SEPARATOR
from kgpt2.verse.plan import Plans
from kgpt2.verse.script import convert_script

DEFAULT_NEW_TOKENS = 128
# Characters of the longest token that vocabularies have: a longer prompt fits no context, and is not read at all.
LONGEST_TOKEN = 128

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


def prepare_prompts(
    texts: Iterable[str], codec: Codec, context: int, settings: Settings, read: Callable[[str], str] = str
) -> list[Prompt]:
    """Encodes prompts and settles how long each may grow: as its form has it, or as far as is asked for.

    Args:
        texts: as the user gave them.
        codec: the tokenizer.
        context: of the model, in tokens.
        settings: of the call.
        read: makes of a prompt what the model reads.

    Raises:
        RequestError: a prompt fills the context or max_length, so that nothing could follow; or it does not fit the
            form.
    """
    return [_prepared(text, codec, context, settings, read) for text in texts]


def note_of_length(longest: int, context: int) -> str:
    """What to tell where a text of so many tokens, prompt included, outgrows the context; "" where it does not.

    Example:
        >>> note_of_length(129, 128)
        '129 tokens do not fit the context of 128: the model then sees the last part of a text'
    """
    if longest <= context:
        return ""
    return f"{longest} tokens do not fit the context of {context}: the model then sees the last part of a text"


def _prepared(given: str, codec: Codec, context: int, settings: Settings, read: Callable[[str], str]) -> Prompt:
    if len(given) > context * LONGEST_TOKEN:
        raise RequestError(
            f"the prompt {quoted(given, 20)} has {len(given):,} characters, the model's context {context} tokens\n"
            "shorten the prompt"
        )
    text = given
    if not settings.as_typed:
        text = read(given)
        if settings.has_form:
            text = full_width(text)  # a form's own marks are
    if settings.script:
        (text,) = convert_script([text], "simplified")  # what Chinese GPT-2s learned from
    mark, text = split_mark(text, codec.added_tokens)
    plans = plans_for(text, codec, settings)
    if plans and not mark:
        mark = mark_for(plans, codec)
    in_front = [*codec.start_ids, *codec.encode(_in_front(mark, codec, settings))]
    ids = [*in_front, *codec.encode(text)]
    return Prompt(
        text,
        ids,
        _room(text, len(ids), plans, context, settings),
        plans,
        given,
        mark,
        front=len(in_front),
        fixed=len(codec.start_ids),
    )


def _in_front(mark: str, codec: Codec, settings: Settings) -> str:
    """The mark of a genre, and behind it the title and the keywords that are asked for.

    Raises:
        RequestError: the model has not learned from texts with such marks, or a mark stands among the words.
    """
    for name, own, words in (
        ("title", TITLE_MARK, [settings.title]),
        ("keywords", KEYWORDS_MARK, list(settings.keywords)),
    ):
        if any(words) and not {own, TEXT_MARK} <= codec.added_tokens.keys():
            raise RequestError(
                f"{name}: the model has learned none (no {own} is among its tokens)\nleave it out, or take mini_zh"
            )
        if any(token in word for word in words for token in codec.added_tokens):
            raise RequestError(f"{name}: {quoted(' '.join(words))} holds a mark of the model; words alone will do")
    asked = Asked(settings.title, settings.keywords)
    if not settings.as_typed:
        title, *keywords = convert_script([asked.title, *asked.keywords], "simplified")
        asked = Asked(full_width(title), tuple(keywords))
    return prompt_of(mark[1:-1], asked)


def _room(text: str, length: int, plans: Plans | None, context: int, settings: Settings) -> int:
    """How many tokens may follow a prompt of that length.

    Raises:
        RequestError: none, or fewer than the form or the beam search needs.
    """
    shown = text if len(text) <= 20 else f"{text[:20]}…"
    so_long = f"the prompt {shown!r} has {length} tokens, start token included"
    if length >= context:
        raise RequestError(
            f"{so_long}; the model's context is {context}\nshorten the prompt, so that at least one token can follow"
        )
    if plans:
        if length + plans.length > context:
            raise RequestError(
                f"the form needs {plans.length} more characters and marks, the context is {context}\n"
                "take a model with a longer context (--model), or a shorter form"
            )
        return plans.length
    room = settings.max_new_tokens or min(DEFAULT_NEW_TOKENS, context - length)
    if settings.max_length is not None:
        room = settings.max_length - length
        if room <= 0:
            raise RequestError(f"{so_long}: a max_length of {settings.max_length} leaves nothing to generate")
    if settings.sampler == "beam" and length + room > context:
        raise RequestError(
            f"the prompt {shown!r} ({length} tokens) and {room} more do not fit the context of {context}\n"
            "beam search does not go past it: ask for fewer tokens, or take another sampler"
        )
    return room


class Prompts:
    """Prompts that can be read more than once, in order.

    Args:
        arguments: prompts given one by one; an empty one asks for a text from nothing.
        file: one a line, blank lines left out; "-" is stdin, which is read at once.
        from_nothing: where neither is given there is one prompt, the empty one.

    Raises:
        RequestError: none or both were given, the file is not there, or the text is not UTF-8.
    """

    def __init__(self, arguments: Sequence[str], file: str | None, from_nothing: bool = False):
        if arguments and file is not None:
            raise RequestError("--prompts: give prompts either one by one or in a file, not both")
        if not arguments and file is None and from_nothing:
            arguments = [""]
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
                f"{file}: no prompt in it"
                if file
                else 'no prompt: kgpt2 generate "PROMPT", --prompts FILE, --title or --form'
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
