"""Cleaning of one poem of the chinese-poetry collection: each defect has a rule, and each rule a name to count by.

A rule either mends (what remains is still the poem) or drops the poem whole: where a character is missing, nobody knows
which, and a model must not learn to leave it out.
"""

import re
from collections.abc import Callable, Sequence

from kgpt2.verse.han import HAN

STOPS = "，。？！；：、"

_NORMAL = re.compile(f"[{HAN}{STOPS}「」『』《》“”‘’…—·]+")
_SPACE = re.compile(r"\s+")
_REPEATED = re.compile(f"[{STOPS}][，。；：、]+")
_NOT_CLAUSE = re.compile(f"[^{HAN}]+")
_LONGEST_CLAUSE = 20
_SHORTEST_POEM = 3

# The inside of one pair of brackets that holds no other: what is innermost goes first.
_NOTE = re.compile(r"（[^（）]*）|〖[^〖〗]*〗|〔[^〔〕]*〕|\[\d+\]")
_SUPPLIED = re.compile(r"\[([^\[\]]*)\]|［([^［］]*)］")
_DASH = re.compile("[-－―─]{2,}")
_SLASH = re.compile(f"(?<=[{STOPS}])/|/(?=[{STOPS}])")
_QUOTED = re.compile('"([^"]*)"')
_FULL_WIDTH = str.maketrans({**dict(zip("(),?!;:", "（），？！；：", strict=True)), "．": "。", "・": "·"})


def _without_notes(text: str) -> str:
    while (shorter := _NOTE.sub("", text)) != text:
        text = shorter
    return text


def _one_stop(run: re.Match[str]) -> str:
    """What ends a sentence outlives what does not; the first outlives the others."""
    text: str = run[0]
    return next((mark for mark in text if mark in "。？！"), text[0])


_MENDS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("ASCII marks made full-width", lambda text: _QUOTED.sub(r"“\1”", text.translate(_FULL_WIDTH)).replace('"', "")),
    ("notes removed", _without_notes),
    ("supplied characters kept", lambda text: _SUPPLIED.sub(lambda match: match[1] or match[2] or "", text)),
    ("iteration marks written out", lambda text: re.sub(f"([{HAN}])々", r"\1\1", text)),
    ("dashes made full-width", lambda text: _DASH.sub("——", text)),
    ("stray slashes removed", lambda text: _SLASH.sub("", text)),
    ("repeated stops", lambda text: _REPEATED.sub(_one_stop, text)),
)

# The first that is found gives the reason. 囗 is a character, but here it stands for one that is missing.
# Kana, Cyrillic and the like are what a wrong decoding of GBK left behind.
_DROPS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("gap", re.compile("[□■●○◎◯]")),
    ("component description", re.compile("[{}<>⺀-⿟⿰-⿿]")),
    ("gap", re.compile("囗")),
    ("private use character", re.compile("[\ue000-\uf8ff\U000f0000-\U0010ffff]")),
    ("mojibake", re.compile("[\ufffd\u00c0-\u024f\u0370-\u052f\u2160-\u217f\u2500-\u257f\u3040-\u312f\ufe30-\ufe4f]")),
    ("Latin letters or digits", re.compile("[0-9A-Za-z０-９Ａ-Ｚａ-ｚ]")),
    ("unbalanced note", re.compile(r"[（）〖〗〔〕\[\]［］]")),
    ("stray marks", re.compile(f"[^{_NORMAL.pattern[1:-2]}]")),
    ("begins with a stop", re.compile(f"[{STOPS}]")),
)
_MENTION = re.compile("首句：|出[處处]：|[詩诗][題题]：|[無无]正文")

_CITATION = re.compile(f"《[^》]+》[{HAN}]*卷[一二三四五六七八九十百]")


def clean(paragraphs: Sequence[str], *, verse: bool = True) -> tuple[str, tuple[str, ...], str]:
    """One poem as one line.

    Args:
        paragraphs: its lines as the file has them; notes may run from one into the next.
        verse: also drop what is no whole poem: fragments of one or two clauses, mentions of lost poems, editors' prose,
            and lines left out (……).

    Returns:
        The text ("" where the poem is dropped), the names of the rules that mended it, and the reason why it was
        dropped ("" where it was not).

    Example:
        >>> clean(["白日依山盡，(一作滿)", "黃河入海流。", "欲窮千里目，更上一層樓。"])
        ('白日依山盡，黃河入海流。欲窮千里目，更上一層樓。', ('ASCII marks made full-width', 'notes removed'), '')
    """
    joined = "".join(paragraphs)
    text = _SPACE.sub("", joined)
    rules = ["spaces removed"] if text != joined else []
    if any(line[:1] in STOPS for line in paragraphs[1:] if line):
        rules.append("paragraphs joined")
    reason = ""
    # Nineteen poems of twenty have no defect, and this one look tells.
    if not _NORMAL.fullmatch(text) or _REPEATED.search(text) or "囗" in text:
        for name, mend in _MENDS:
            mended = mend(text)
            if mended != text:
                rules.append(name)
            text = mended
        reason = _defect(text)
    elif not clauses(text) or text[0] in STOPS:
        reason = _defect(text)
    reason = reason or (_no_poem(text) if verse else "")
    return ("" if reason else text), tuple(rules), reason


def clauses(text: str) -> list[str]:
    """The runs of Chinese characters between punctuation marks.

    Example:
        >>> clauses("白日依山尽，黄河入海流。")
        ['白日依山尽', '黄河入海流']
    """
    return [clause for clause in _NOT_CLAUSE.split(text) if clause]


def _defect(text: str) -> str:
    if not text.strip(STOPS):
        return "empty"
    if "囗" not in text and _NORMAL.fullmatch(text) and text[0] not in STOPS:
        return "" if clauses(text) else "empty"
    for reason, pattern in _DROPS[:-1]:
        if pattern.search(text):
            return reason
    return _DROPS[-1][0]


def _no_poem(text: str) -> str:
    if _MENTION.search(text):
        return "mention of a lost poem"
    if "…" in text:
        return "gap"
    parts = clauses(text)
    if max(map(len, parts), default=0) > _LONGEST_CLAUSE or _CITATION.search(text):
        return "prose"
    return "fragment" if len(parts) < _SHORTEST_POEM else ""
