"""A shuffled order that takes no memory: where a place goes is computed, not looked up.

Source: an alternating Feistel network over Z_a x Z_b with a·b barely above the size, walked until it lands inside
(Bellare, Ristenpart, Rogaway and Stegers 2009, "Format-Preserving Encryption").
"""

import functools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 6


def permuted(places: NDArray[np.integer], size: int, seed: Sequence[int]) -> NDArray[np.int64]:
    """Where each of some places lies in a shuffled order of `size` things, int64.

    The same seed gives the same order, and every place of `range(size)` comes once.

    Example:
        >>> sorted(permuted(np.arange(5), 5, [0]).tolist())
        [0, 1, 2, 3, 4]
    """
    wide = math.isqrt(size - 1) + 1
    sides = np.uint64(wide), np.uint64(-(-size // wide))
    keys = _keys(tuple(seed))
    found = _rounds(np.asarray(places).astype(np.uint64), sides, keys)
    while (outside := found >= size).any():
        found[outside] = _rounds(found[outside], sides, keys)
    return found.astype(np.int64)


@functools.lru_cache(maxsize=32)
def _keys(seed: tuple[int, ...]) -> NDArray[np.uint64]:
    return np.asarray(np.random.SeedSequence(seed).generate_state(_ROUNDS, np.uint64), np.uint64)


def _rounds(
    numbers: NDArray[np.uint64], sides: tuple[np.uint64, np.uint64], keys: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    left, right = np.divmod(numbers, sides[1])
    for left_key, right_key in zip(keys[::2], keys[1::2], strict=True):
        left = (left + mix(right + left_key) % sides[0]) % sides[0]
        right = (right + mix(left + right_key) % sides[1]) % sides[1]
    return left * sides[1] + right


def mix(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit of uint64 numbers made to depend on all of theirs (the finaliser of splitmix64, Steele et al. 2014).

    Example:
        >>> mix(np.array([0, 1], np.uint64)).tolist()
        [0, 6238072747940578789]
    """
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
