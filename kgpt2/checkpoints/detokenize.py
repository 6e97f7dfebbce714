"""Text from WordPiece tokens, without the stray spaces that joining with " " leaves in Chinese."""

import re
from collections.abc import Iterable

from kgpt2.checkpoints.unicode_classes import python_body

# Where one of these stands on either side, no space belongs between two pieces: Chinese, Japanese and Korean
# characters, full-width forms, and the marks that Chinese shares with Latin (dashes, quotes, the middle dot, gaps).
TIGHT = (
    r"\x{1100}-\x{11FF}\x{2E80}-\x{2FDF}\x{3000}-\x{9FFF}\x{AC00}-\x{D7AF}\x{F900}-\x{FAFF}\x{FF00}-\x{FFEF}"
    r"\x{20000}-\x{323AF}\x{B7}\x{2013}-\x{2026}\x{25A1}\x{25CB}\x{25CF}"
)
_TIGHT = re.compile(f"[{python_body(TIGHT)}]")
NO_SPACE_BEFORE = frozenset(",.!?;:)]}%'")
NO_SPACE_AFTER = frozenset("([{'")


def join_pieces(pieces: Iterable[str]) -> str:
    """Joins WordPiece tokens: `##` pieces to the piece before, Chinese without spaces, Latin words with one.

    The spaces of the text before tokenizing are lost, so a mark between Latin words is set by the rules of English.

    Example:
        >>> join_pieces(["春", "风", "hello", "##s", "world", "!"])
        '春风hellos world!'
    """
    text: list[str] = []
    for piece in pieces:
        if piece.startswith("##") and len(piece) > 2 and text:
            text.append(piece[2:])
            continue
        if text and _space_between(text[-1][-1], piece[0]):
            text.append(" ")
        text.append(piece)
    return "".join(text)


def _space_between(before: str, after: str) -> bool:
    if after in NO_SPACE_BEFORE or before in NO_SPACE_AFTER:
        return False
    return not (_TIGHT.match(before) or _TIGHT.match(after))
