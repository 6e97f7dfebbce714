"""Which examples are held out: by what they say, so that equal ones always lie on the same side."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from kgpt2.data.permutation import mix

# Shares of the splits that a SPEC can name (`poems.txt:test`).
SPLITS = {"train": (0.0, 0.9), "validation": (0.9, 0.95), "test": (0.95, 1.0)}
_BLOCK = 1 << 16


def key_of(text: str) -> int:
    """A number of 64 bits for a text or the name of a group of texts.

    Example:
        >>> key_of("春") == key_of("春"), key_of("春") == key_of("秋")
        (True, False)
    """
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "little")


def split_of(text: str) -> str:
    """The split that a text, or a group of texts by its name, belongs to: train, validation or test.

    Example:
        >>> split_of("春眠不觉晓")
        'train'
    """
    place = key_of(text) / 2**64
    return next(name for name, (_, stop) in SPLITS.items() if place < stop)


def held_out(keys: NDArray[np.uint64], share: float, seed: int) -> NDArray[np.bool_]:
    """Which examples to hold out, bool `(examples,)`; equal keys are held out together.

    Args:
        keys: uint64 `(examples,)`.
        share: of the examples, how many (at least one key, and not all, where there are two and the share is not 0).
        seed: draws which.

    Example:
        >>> keys = np.array([7, 7, 8, 9], np.uint64)
        >>> held_out(keys, 0.5, seed=0)
        array([ True,  True, False, False])
    """
    if share == 0 or len(keys) == 0:
        return np.zeros(len(keys), bool)
    mask = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    drawn = np.empty(len(keys), np.uint32)
    for start in range(0, len(keys), _BLOCK):  # in blocks, since each step of the mixing takes memory of its own
        block = slice(start, start + _BLOCK)
        drawn[block] = mix(keys[block] ^ mask) >> np.uint64(32)
    last = max(round(len(keys) * share), 1) - 1
    limit: np.uint32 = np.partition(drawn, last)[last]
    chosen = drawn <= limit
    return np.asarray(drawn < limit if chosen.all() else chosen)
