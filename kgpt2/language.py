"""What people read, in the language of their locale: Chinese under LANG=zh_*, English else.

The code says everything in English. The catalogue, GNU gettext's `.po`, is read as it is: its sentences have `{}` where
the code puts values in, so a finished message is recognised by its words and its values are taken over; a value that is
a sentence itself is looked up in its turn. What is not in the catalogue stays English. JSON never comes here.
"""

import ast
import functools
import os
import re

from kgpt2.assets import catalogue_path

_ENTRY = re.compile(r'^msgid ((?:".*"\n)+)msgstr ((?:".*"(?:\n|\Z))+)', re.M)
_LIST = re.compile(r"[\u4e00-\u9fff]+(, [\u4e00-\u9fff]+)+")
_PREFIXES = {"kgpt2: ": "kgpt2: ", "note: ": "注意："}


def is_chinese() -> bool:
    """Whether the locale is Chinese: the first that is set of LC_ALL, LC_MESSAGES and LANG says so."""
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return next(filter(None, names), "").lower().startswith("zh")


def told(message: str) -> str:
    """A message in the language of the locale.

    Args:
        message: in English, values put in; of one or several lines.
    """
    return in_chinese(message) if is_chinese() else message


def in_chinese(message: str) -> str:
    """A message in Chinese, whatever the locale, as far as the catalogue has it.

    Example:
        >>> in_chinese("k: 0 will not do, it must be 1 or more for top_k")
        'k：0 不行，须为1 or more for top_k'
    """
    for prefix, chinese in _PREFIXES.items():
        if message.startswith(prefix):
            return chinese + _chinese(message.removeprefix(prefix))
    return _chinese(message)


@functools.cache
def catalogue() -> dict[str, str]:
    """English to Chinese, `{}` where values stand."""
    text = catalogue_path().read_text("utf-8")
    read = [
        ("".join(map(ast.literal_eval, part.split("\n"))) for part in map(str.strip, entry))
        for entry in _ENTRY.findall(text)
    ]
    return {english: chinese for english, chinese in map(tuple, read) if english}


@functools.cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Sentences with values, those with the most words first."""
    known = sorted((key for key in catalogue() if "{}" in key), key=lambda key: -len(key.replace("{}", "")))
    return [(re.compile("(.*?)".join(map(re.escape, key.split("{}")))), catalogue()[key]) for key in known]


def _chinese(message: str) -> str:
    if message in catalogue():
        return catalogue()[message]
    for pattern, chinese in _patterns():
        if (match := pattern.fullmatch(message)) and message not in match.groups():
            return chinese.format(*map(_chinese, match.groups()))
    if _LIST.fullmatch(message):
        return message.replace(", ", "、")
    first, newline, rest = message.partition("\n")
    return f"{_chinese(first)}\n{_chinese(rest)}" if newline else message
