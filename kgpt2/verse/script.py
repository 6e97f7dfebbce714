"""Traditional and simplified characters, by OpenCC."""

import functools
from collections.abc import Sequence
from typing import Any

_CONVERSION = {"simplified": "t2s", "traditional": "s2t"}


def convert_script(texts: Sequence[str], script: str | None) -> list[str]:
    """Texts in the script asked for ("simplified" or "traditional"); None leaves them as they are.

    Example:
        >>> convert_script(["雲中誰寄錦書來"], "simplified")
        ['云中谁寄锦书来']
    """
    if script is None:
        return list(texts)
    # OpenCC pays for each call, not for each character.
    converted: list[str] = _converter(script).convert("\0".join(texts)).split("\0")
    if len(converted) == len(texts):
        return converted
    return [_converter(script).convert(text) for text in texts]  # a text holds a NUL itself


@functools.cache
def _converter(script: str) -> Any:
    import opencc

    return opencc.OpenCC(_CONVERSION[script])
