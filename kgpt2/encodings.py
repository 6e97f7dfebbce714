"""The encodings of Chinese text that is not UTF-8, told apart by its bytes."""

import codecs
import re

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16's, which it begins with
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
# What Chinese text is made of, read as UTF-16 in the right order of bytes.
_CHINESE_OR_ASCII = re.compile(r"[\t\n\r -~\u00b7\u2010-\u2026\u3000-\u303f\u3400-\u9fff\uff01-\uff65]")
_TWO_OR_FOUR_BYTES = re.compile(rb"[\x81-\xfe](?:[\x30-\x39][\x81-\xfe][\x30-\x39]|[\x40-\xfe])")
# The bytes of marks and frequent characters: each encoding has those of one script in a block of its own.
_FREQUENT_GB = re.compile(rb"[\xa1-\xa3\xb0-\xd7][\xa1-\xfe]")
_FREQUENT_BIG5 = re.compile(rb"[\xa1-\xc6][\x40-\x7e\xa1-\xfe]")
_DOUBLE_BYTE = {
    "GB18030": _FREQUENT_GB,
    **dict.fromkeys(("BIG5", "CP950", "BIG5-HKSCS"), _FREQUENT_BIG5),
}
_LEAST_BYTES = 8  # of UTF-16 without a byte order mark
_LEAST_FREQUENT = 0.3  # traditional characters in GB18030 have 0.4; a Latin text has none


def told_encoding(data: bytes) -> str | None:
    """The encoding of Chinese text that is not UTF-8, by the name that Python and iconv share.

    A text of ten characters tells enough. The end may be cut anywhere.

    Returns:
        UTF-16 or UTF-32 where a byte order mark says so, UTF-16LE, UTF-16BE, GB18030, BIG5 or its extensions CP950 and
        BIG5-HKSCS; None where the text is UTF-8, or none of these.

    Example:
        >>> told_encoding("床前明月光，疑是地上霜。".encode("gb18030"))
        'GB18030'
        >>> told_encoding("床前明月光".encode())
    """
    for mark, name in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return name
    return _told_utf16(data) or (None if _decodes(data, "utf-8") else _told_double_byte(data))


def has_byte_order_mark(data: bytes) -> bool:
    """Whether a text begins with the byte order mark of UTF-16 or UTF-32.

    Example:
        >>> has_byte_order_mark("春".encode("utf-16"))
        True
    """
    return data.startswith(tuple(_BYTE_ORDER_MARKS))


def likelier_byte_order(data: bytes, encoding: str) -> str:
    """`utf-16` or `utf-32` with the order of bytes in which a text without a mark has more Chinese and ASCII.

    Little-endian, as Windows has it, where both are alike.

    Example:
        >>> likelier_byte_order("春眠不觉晓".encode("utf-16-be"), "utf-16")
        'utf-16-be'
    """
    width = 2 if encoding == "utf-16" else 4
    whole = data[: len(data) // width * width]
    orders = (f"{encoding}-le", f"{encoding}-be")
    return max(orders, key=lambda order: len(_CHINESE_OR_ASCII.findall(whole.decode(order, "replace"))))


def or_convert(encoding: str | None, name: str) -> str:
    """How to convert a file to UTF-8, to go on a sentence with; "" where its encoding is not known.

    Example:
        >>> or_convert("GB18030", "poems.txt")
        ', or convert it: iconv -f GB18030 -t UTF-8 poems.txt > utf8-poems.txt'
    """
    return f", or convert it: iconv -f {encoding} -t UTF-8 {name} > utf8-{name}" if encoding else ""


def _told_utf16(data: bytes) -> str | None:
    """UTF-16 without a byte order mark. ASCII in UTF-16 is valid UTF-8, with a NUL at every second byte."""
    if len(data) < _LEAST_BYTES:
        return None
    if _decodes(data, "utf-8"):
        even, odd = data[::2].count(0), data[1::2].count(0)
        return ("UTF-16LE" if odd else "UTF-16BE") if max(even, odd) * 4 > len(data) and not min(even, odd) else None
    shares = {}
    for name in ("UTF-16LE", "UTF-16BE"):
        text = data[: len(data) // 2 * 2].decode(name, "replace")
        found = _CHINESE_OR_ASCII.findall(text)
        # Latin text, read so, looks Chinese too, but of rare characters.
        if len(found) > 0.9 * len(text) and _share_of_frequent(text) > 0.5:
            shares[name] = len(found) + sum(map(str.isascii, found))
    return max(shares, key=shares.__getitem__, default=None)


def _share_of_frequent(text: str) -> float:
    """How many of the characters beyond ASCII are frequent ones, in simplified or in traditional text."""
    other = "".join(sign for sign in text if not sign.isascii())
    found = [
        sum(1 for pair in _TWO_OR_FOUR_BYTES.findall(other.encode(encoding, "ignore")) if frequent.fullmatch(pair))
        for encoding, frequent in (("gb18030", _FREQUENT_GB), ("big5hkscs", _FREQUENT_BIG5))
    ]
    return max(found) / max(len(other), 1)


def _told_double_byte(data: bytes) -> str | None:
    high = sum(1 for byte in data if byte > 127)
    if 2 * sum(len(sign.encode()) for sign in data.decode("utf-8", "ignore") if not sign.isascii()) > high:
        return None  # UTF-8 with a fault in it
    pairs = _TWO_OR_FOUR_BYTES.findall(data)
    shares = {
        name: sum(1 for pair in pairs if frequent.fullmatch(pair)) / len(pairs)
        for name, frequent in _DOUBLE_BYTE.items()
        if len(pairs) > 1 and _decodes(data, name)
    }
    best = max(shares, key=shares.__getitem__, default=None)
    return best if best and shares[best] > _LEAST_FREQUENT else None


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        return False
    return True
