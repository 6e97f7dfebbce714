"""Which texts are variants of one another, so that a split never has one poem on both of its sides.

Texts that share two near clauses, character for character, are. A variant that differs in nearly every clause is
missed: of the Tang poems some 170 pairs share one clause only and yet much of the rest.
"""

import numpy as np
from numpy.typing import NDArray

from kgpt2.data.permutation import mix

# Two clauses count together when they stand at most this far apart, and have this many characters between them:
# shorter ones are refrains and set phrases, which unrelated poems share.
WINDOW = 4
_CHARACTERS = 8
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_LONGEST = 64
_POWERS = np.cumprod(np.full(_LONGEST, _FACTOR, "uint64"), dtype="uint64")
_HAN = np.zeros(0x110000, bool)
for _first, _last in ((0x3007, 0x3007), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF)):
    _HAN[_first : _last + 1] = True


def clause_pairs(texts: list[str]) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """The pairs of near clauses of each text.

    A clause is a run of Chinese characters between punctuation marks.

    Returns:
        64-bit hashes of the pairs (uint64), and the number of the text that each is in (int32).

    Example:
        >>> pairs, owners = clause_pairs(["白日依山尽，黄河入海流。", "春眠不觉晓，处处闻啼鸟。"])
        >>> owners.tolist()
        [0, 1]
    """
    codes = np.frombuffer("\0".join(texts).encode("utf-32-le"), "uint32")
    if not codes.size:
        return np.zeros(0, "uint64"), np.zeros(0, "int32")
    han = _HAN[codes]
    edges = np.diff(np.concatenate([[False], han, [False]]).astype("int8"))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    lengths = ends - starts
    text = np.cumsum(codes == 0, dtype="int32")[starts] if starts.size else np.zeros(0, "int32")
    hashes = _hashes(codes[han], lengths)
    pairs, owners = [], []
    for distance in range(1, WINDOW):
        together = (text[distance:] == text[:-distance]) & (lengths[distance:] + lengths[:-distance] >= _CHARACTERS)
        pairs.append(mix(hashes[:-distance] * _FACTOR + hashes[distance:])[together])
        owners.append(text[:-distance][together])
    return np.concatenate(pairs), np.concatenate(owners)


def first_variants(pairs: NDArray[np.uint64], owners: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """For each of `count` texts the number of the first text of its family (int32).

    Texts that share a pair are of one family, and so are those that a third one links. A text that shares none is its
    own.

    Example:
        >>> texts = ["白日依山尽，黄河入海流。", "春眠不觉晓，处处闻啼鸟。", "白日依山尽，黄河入海流！"]
        >>> first_variants(*clause_pairs(texts), len(texts)).tolist()
        [0, 1, 0]
    """
    order = np.argsort(pairs, kind="stable")
    ordered = pairs[order]
    same = np.flatnonzero(ordered[1:] == ordered[:-1])
    links = np.stack([owners[order[same]], owners[order[same + 1]]], axis=1)
    parents = list(range(count))
    for left, right in links.tolist():
        left, right = _root(parents, left), _root(parents, right)
        # The lower number stays the root, so the name of a family does not depend on the order of the links.
        parents[max(left, right)] = min(left, right)
    return np.array([_root(parents, number) for number in range(count)], "int32")


def _root(parents: list[int], number: int) -> int:
    while parents[number] != number:
        parents[number] = parents[parents[number]]
        number = parents[number]
    return number


def _hashes(codes: NDArray[np.uint32], lengths: NDArray[np.int64]) -> NDArray[np.uint64]:
    """One hash a run of characters; the runs lie end to end in `codes`."""
    if not lengths.size:
        return np.zeros(0, "uint64")
    starts = np.cumsum(lengths) - lengths
    places = np.arange(codes.size) - np.repeat(starts, lengths)
    terms = mix(codes.astype("uint64")) * _POWERS[places % _LONGEST]
    return mix(np.add.reduceat(terms, starts) + lengths.astype("uint64"))
