"""Traditional and simplified characters, by OpenCC."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import opencc

_CONVERSION = {"simplified": "t2s", "traditional": "s2t"}


def convert_script(texts: Sequence[str], script: str | None) -> list[str]:
    """Texts in the script asked for ("simplified" or "traditional"); None leaves them as they are.

    Example:
        >>> convert_script(["春風", "萬里"], "simplified")
        ['春风', '万里']
    """
    if script is None:
        return list(texts)
    # OpenCC pays for each call, not for each character.
    converted: list[str] = _converter(script).convert("\0".join(texts)).split("\0")
    if len(converted) == len(texts):
        return converted
    return [_converter(script).convert(text) for text in texts]  # a text holds a NUL itself


@functools.cache
def _converter(script: str) -> "opencc.OpenCC":
    import opencc

    return opencc.OpenCC(_CONVERSION[script])
