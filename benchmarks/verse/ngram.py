"""An n-gram model over token ids: modified Kneser-Ney smoothing, interpolated.

After Chen and Goodman, "An empirical study of smoothing techniques for language modeling" (1999), equations 20 to 26;
n-grams that begin with the start of a text keep their own counts, as in KenLM (Heafield et al. 2013, section 3.1).
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Order:
    """The n-grams of one length, coded as numbers to the base of the vocabulary's size, ascending.

    Attributes:
        grams: uint64 `(grams,)`.
        shares: float64 `(grams,)`, the discounted count of each over the counts of its context.
        contexts: uint64 `(contexts,)`, the grams without their last token.
        rests: float64 `(contexts,)`, the weight of the next shorter order behind each.
    """

    grams: np.ndarray
    shares: np.ndarray
    contexts: np.ndarray
    rests: np.ndarray


class NGramModel:
    """Learns from rows of tokens, each with its start token at place 0.

    Args:
        ids: integers `(tokens,)`, the rows one after the other.
        places: integers `(tokens,)`, of each token in its row.
        vocabulary_size: at most 7,131 for five tokens, which one number of 64 bits then holds.
        order: tokens in the longest n-gram.
    """

    def __init__(self, ids: np.ndarray, places: np.ndarray, vocabulary_size: int, order: int = 5):
        if vocabulary_size**order >= 2**64:
            raise ValueError(f"{order}-grams of {vocabulary_size} tokens do not fit 64 bits")
        self.size = vocabulary_size
        self.orders: list[Order] = []
        longer: np.ndarray | None = None
        for length in range(order, 0, -1):
            codes, inside = _codes(ids, places, vocabulary_size, length)
            if longer is None:
                grams, counts = np.unique(codes[inside], return_counts=True)
            else:
                # How many tokens stand in front of it counts, not how often it comes.
                grams, counts = np.unique(longer % np.uint64(vocabulary_size**length), return_counts=True)
                if length > 1:
                    first = codes[places[length - 1 :] == length - 1]
                    starts, times = np.unique(first, return_counts=True)
                    grams, counts = np.append(grams, starts), np.append(counts, times)
                    ascending = np.argsort(grams)
                    grams, counts = grams[ascending], counts[ascending]
            longer = grams
            self.orders.insert(0, _discounted(grams, counts, vocabulary_size))

    def probabilities(self, ids: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Of each token after those before it in its row, float64 `(tokens,)`; meaningless for the start tokens."""
        found = np.full(len(ids), 1 / self.size)
        for length, order in enumerate(self.orders, 1):
            codes, inside = _codes(ids, places, self.size, length)
            codes, here = codes[inside], np.flatnonzero(inside) + length - 1
            gram, known = _look_up(order.grams, codes)
            context, seen = _look_up(order.contexts, codes // np.uint64(self.size))
            mixed = np.where(known, order.shares[gram], 0) + order.rests[context] * found[here]
            found[here] = np.where(seen, mixed, found[here])
        return found


def places_of(lengths: np.ndarray) -> np.ndarray:
    """The place of each token in its row: int64 `(tokens,)` for rows of these lengths."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)


def _codes(ids: np.ndarray, places: np.ndarray, size: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The n-gram that ends at each token from the `length`-th on, and whether it lies within one row."""
    count = len(ids) - length + 1
    codes = np.zeros(count, np.uint64)
    for place in range(length):
        codes *= np.uint64(size)
        codes += ids[place : place + count].astype(np.uint64)
    return codes, places[length - 1 :] >= length - 1


def _discounted(grams: np.ndarray, counts: np.ndarray, size: int) -> Order:
    off = _discounts(*((counts == number).sum() for number in (1, 2, 3, 4)))
    kind = np.minimum(counts, 3)
    contexts, begin, context = np.unique(grams // np.uint64(size), return_index=True, return_inverse=True)
    totals = np.add.reduceat(counts, begin)
    shares = (counts - off[kind]) / totals[context]
    rests = np.add.reduceat(off[kind], begin) / totals
    return Order(grams, shares, contexts, rests)


def _discounts(once: int, twice: int, thrice: int, four: int) -> np.ndarray:
    """What is taken off counts of 0, 1, 2 and 3 or more; where too few kinds are there to tell, KenLM's fallback."""
    if not all((once, twice, thrice, four)):
        return np.array([0, 0.5, 1, 1.5])
    share = once / (once + 2 * twice)
    return np.array([0, 1 - 2 * share * twice / once, 2 - 3 * share * thrice / twice, 3 - 4 * share * four / thrice])


def _look_up(table: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    places = np.minimum(np.searchsorted(table, codes), len(table) - 1)
    return places, table[places] == codes
