"""Traditional and simplified characters, by OpenCC."""

from collections.abc import Sequence

_CONVERSION = {"simplified": "t2s", "traditional": "s2t"}


def convert_script(texts: Sequence[str], script: str | None) -> list[str]:
    """Texts in the script asked for ("simplified" or "traditional"); None leaves them as they are."""
    if script is None:
        return list(texts)
    import opencc

    converter = opencc.OpenCC(_CONVERSION[script])
    # OpenCC pays for each call, not for each character; a text holds no line feed that could be mistaken for ours.
    joined = converter.convert("\0".join(texts))
    return joined.split("\0")
