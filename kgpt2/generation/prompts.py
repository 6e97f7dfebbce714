"""Where prompts come from: the command line, a file, or stdin."""

import sys
from collections.abc import Sequence
from pathlib import Path

from kgpt2.errors import RequestError
from kgpt2.files import read_text


def read_prompts(arguments: Sequence[str], file: str | None) -> list[str]:
    """The prompts, in order.

    Args:
        arguments: prompts given one by one; an empty one asks for a text from nothing.
        file: one a line, blank lines left out; "-" is stdin.

    Raises:
        RequestError: none or both were given, or the text is not UTF-8.
    """
    if arguments and file is not None:
        raise RequestError("--prompts: give prompts either one by one or in a file, not both")
    if file is None:
        prompts = list(arguments)
    else:
        text = _stdin() if file == "-" else read_text(Path(file), "prompt file")
        prompts = [line for line in text.split("\n") if line.strip()]
        prompts = [line.removesuffix("\r") for line in prompts]
    if not prompts:
        raise RequestError(
            f"{file}: no prompt in it" if file else 'no prompt: kgpt2 generate "PROMPT", or --prompts FILE'
        )
    for prompt in prompts:
        if any("\ud800" <= character <= "\udfff" for character in prompt):
            raise RequestError(f"the prompt {prompt.encode('utf-8', 'replace').decode()!r} is not UTF-8")
    return prompts


def _stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestError(f"stdin: not UTF-8 (byte {error.start})") from None
