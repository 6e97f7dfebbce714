"""Which characters are Chinese, and which marks stand between them."""

import re

HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_HAN = re.compile(f"[{HAN}]")
FULL_WIDTH = {",": "，", ".": "。", ";": "；", ":": "：", "?": "？", "!": "！"}
_HALF_WIDTH = re.compile(f"(?<=[{HAN}])[{re.escape(''.join(FULL_WIDTH))}]")


def is_han(character: str) -> bool:
    """Whether it is one Chinese character.

    Example:
        >>> is_han("春"), is_han("，"), is_han("春风")
        (True, False, False)
    """
    return _HAN.fullmatch(character) is not None


def full_width(text: str) -> str:
    """A text with the half-width marks that follow a Chinese character turned into full-width ones.

    Example:
        >>> full_width("春风,no,")
        '春风，no,'
    """
    return _HALF_WIDTH.sub(lambda match: FULL_WIDTH[match.group()], text)
