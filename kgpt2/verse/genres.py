"""Genres: what kind of verse a text is, and the token in front of it by which a model learns to tell them apart."""

import re
from collections.abc import Mapping

from kgpt2.verse.notation import SEPARATOR, Form, lines_of

CI, COUPLET, POEM = "词", "对联", "诗"
_REGULATED = {(5, 4): "五绝", (7, 4): "七绝", (5, 8): "五律", (7, 8): "七律"}
MARKS = tuple(f"[{genre}]" for genre in (*_REGULATED.values(), POEM, CI, COUPLET))
_MARK = re.compile("|".join(map(re.escape, MARKS)))


def genre_of(form: Form) -> str:
    """五绝, 七绝, 五律, 七律, 对联 (two sides), 词 (lines of several lengths) or 诗: what the lines of a form tell."""
    if any(slot.mark == SEPARATOR for slot in form):
        return COUPLET
    lengths = [len(line) for line in lines_of(form)]
    if len(set(lengths)) > 1:
        return CI
    return _REGULATED.get((lengths[0], len(lengths)), POEM) if lengths else POEM


def mark_of(genre: str) -> str:
    """The token of a genre, such as [七绝]."""
    return f"[{genre}]"


def split_mark(text: str, tokens: Mapping[str, object]) -> tuple[str, str]:
    """The mark that a text begins with, if it is one of these tokens ("" if not), and the rest of the text."""
    match = _MARK.match(text)
    return (match[0], text[match.end() :]) if match and match[0] in tokens else ("", text)
