"""What a beginning asks for by its look: a line of five or seven characters asks for a quatrain."""

import re

from kgpt2.config.settings import FIELDS, Settings
from kgpt2.verse.han import FULL_WIDTH, HAN

_LINE = re.compile(f"([{HAN}]{{5}}|[{HAN}]{{7}})([，。；、！？,.;!?]?)")
# With any of these the user has said how long or how regular a text is to be.
_SAID = (
    "form",
    "acrostic",
    "tones",
    "rhyme",
    "rhyme_words",
    "max_new_tokens",
    "max_length",
    "min_new_tokens",
    "stop",
    "default_bans",
)
_INSTRUCTION = re.compile(
    "(请|帮我|给我|替我)?(你)?(写|作|来|生成|创作|做)(一|首|个|副|幅|关于|以).*|.*关于.*的.{0,4}(诗|词|对联|诗歌|绝句|律诗)[。！!.]?"
)


def form_of_first_line(prompt: str, settings: Settings) -> str:
    """五绝 or 七绝 for a first line of five or seven characters, with or without a mark behind it; "" for all else.

    Example:
        >>> form_of_first_line("床前明月光", Settings()), form_of_first_line("春风", Settings())
        ('五绝', '')
    """
    said = settings.sampler == "beam" or any(getattr(settings, name) != FIELDS[name].default for name in _SAID)
    match = _LINE.fullmatch(prompt.strip())
    if said or match is None or is_instruction(prompt):
        return ""
    line, mark = match.groups()
    mark = FULL_WIDTH.get(mark, mark)
    if mark in ("", "，"):
        return "五绝" if len(line) == 5 else "七绝"
    return f"{len(line)}{mark}{len(line)}。{len(line)}，{len(line)}。"


def is_instruction(prompt: str) -> bool:
    """Whether a prompt tells the model what to write, which a model that continues texts takes for their beginning.

    Example:
        >>> is_instruction("写一首关于春天的诗"), is_instruction("写尽江南雨后山")
        (True, False)
    """
    return _INSTRUCTION.fullmatch(prompt.strip()) is not None
