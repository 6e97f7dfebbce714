"""The form of a poem, as far as the length and the number of its lines tell."""

import re

from kgpt2.verse.han import HAN

_LENGTHS = {4: "四", 5: "五", 6: "六", 7: "七"}
_COUNTS = {4: "绝", 8: "律"}
_BREAK = re.compile(f"[^{HAN}]+")


def form_of(text: str) -> str:
    """五绝, 七绝, 五律, 七律, 五排, 七排, 五古, 七古, the same with 六 (六言), 四言; "" for all else, such as 词.

    Lines are the runs of Chinese characters between punctuation marks, and all must be of one length. Four lines make
    a 绝, eight a 律, an even number from ten on a 排, any other number from three on a 古. Tones, rhymes and parallels
    are not looked at: an old-style poem (古) of eight lines counts as a 律, a long one as a 排.

    Example:
        >>> form_of("白日依山尽，黄河入海流。欲穷千里目，更上一层楼。")
        '五绝'
    """
    lines = [line for line in _BREAK.split(text) if line]
    lengths = {len(line) for line in lines}
    if len(lengths) != 1 or len(lines) < 3:
        return ""
    length = _LENGTHS.get(lengths.pop(), "")
    if length in ("", "四"):
        return length and "四言"
    if len(lines) in _COUNTS:
        return length + _COUNTS[len(lines)]
    return length + ("排" if len(lines) >= 10 and len(lines) % 2 == 0 else "古")
