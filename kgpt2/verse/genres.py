"""What a text of verse is asked to be, and the tokens in front of it by which a model learns to tell.

    [七绝][题目]秋夜[关键词]明月，故乡[正文]银烛秋光冷画屏，…

A genre, a title and keywords, each where it is asked for; [正文] ends a title or keywords.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from kgpt2.verse.notation import SEPARATOR, Form, lines_of, own_rhymes

CI, COUPLET, POEM = "词", "对联", "诗"
_REGULATED = {(5, 4): "五绝", (7, 4): "七绝", (5, 8): "五律", (7, 8): "七律"}
GENRE_MARKS = tuple(f"[{genre}]" for genre in (*_REGULATED.values(), POEM, CI, COUPLET))
TITLE_MARK, KEYWORDS_MARK, TEXT_MARK = ASKED_MARKS = ("[题目]", "[关键词]", "[正文]")
MARKS = (*GENRE_MARKS, *ASKED_MARKS)
_MARK = re.compile("|".join(map(re.escape, GENRE_MARKS)))
_BETWEEN_KEYWORDS = "，"


class Asked(NamedTuple):
    """What a text is asked to be about: a title and keywords, "" and () where there are none."""

    title: str = ""
    keywords: tuple[str, ...] = ()


def genre_of(form: Form) -> str:
    """五绝, 七绝, 五律, 七律, 对联 (two sides), 词 (lines of several lengths) or 诗: what the lines of a form tell.

    Example:
        >>> from kgpt2.verse.notation import parse
        >>> genre_of(parse("7-7"))
        '对联'
    """
    if any(slot.mark == SEPARATOR for slot in form):
        return COUPLET
    lengths = [len(line) for line in lines_of(form)]
    if len(set(lengths)) > 1 or own_rhymes(form):
        return CI
    return _REGULATED.get((lengths[0], len(lengths)), POEM) if lengths else POEM


def mark_of(genre: str) -> str:
    """The token of a genre, such as [七绝].

    Example:
        >>> mark_of("七绝")
        '[七绝]'
    """
    return f"[{genre}]"


def prompt_of(genre: str, asked: Asked) -> str:
    """What stands in front of a text: the marks of its genre ("": none), title and keywords.

    Example:
        >>> prompt_of("七绝", Asked("秋夜", ("明月", "故乡")))
        '[七绝][题目]秋夜[关键词]明月，故乡[正文]'
    """
    parts = [mark_of(genre) if genre else ""]
    parts += [TITLE_MARK, asked.title] if asked.title else []
    parts += [KEYWORDS_MARK, _BETWEEN_KEYWORDS.join(asked.keywords)] if asked.keywords else []
    return "".join([*parts, TEXT_MARK] if asked != Asked() else parts)


def split_mark(text: str, tokens: Mapping[str, object]) -> tuple[str, str]:
    """The genre's mark that a text begins with, if it is one of these tokens ("" if not), and the rest of the text.

    Example:
        >>> split_mark("[七绝]春风", {"[七绝]": 1})
        ('[七绝]', '春风')
    """
    match = _MARK.match(text)
    return (match[0], text[match.end() :]) if match and match[0] in tokens else ("", text)
