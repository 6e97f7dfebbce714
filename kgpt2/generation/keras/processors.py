"""`processors` once more, in Keras ops: every setting is a traced value, so that one compiled program serves them all.

The rules are the same and so are the tokens. What differs is how they are found: nothing is gathered into shorter
arrays and little is sorted, since a compiled program's shapes cannot depend on values. The n-gram ban keeps, for every
place, how far the text before it equals the text's end; the cuts look for the value at which they cut.
"""

from typing import NamedTuple

import numpy as np
from keras import ops

from kgpt2.config.settings import Settings
from kgpt2.generation.bans import Bans
from kgpt2.generation.processors import NOTHING
from kgpt2.models.backend import Tensor

# In front of a banned sequence that is shorter than the longest one.
ANY = -2
# Where k is no greater, the cuts look at so many tokens only.
FEW = 128
_WAYS, _PASSES = 16, 8
_NONE = -np.inf


class TracedSettings(NamedTuple):
    """Settings and bans as arrays: arguments of a program, and so no reason to compile another.

    Attributes:
        greedy: bool `()`.
        k: int32 `()`, as large as the vocabulary where it cuts nothing.
        p, min_p, typical_p: float32 `()`; 1, 0 and 1 cut nothing.
        temperature, repetition_penalty: float32 `()`.
        no_repeat_ngram, min_new_tokens: int32 `()`.
        bans_repeats: bool `()`.
        end_id: int32 `()`.
        sequences: int32 `(number, longest)`, what is banned, `ANY` in front of shorter ones; the one shape that counts.
    """

    greedy: Tensor
    k: Tensor
    p: Tensor
    min_p: Tensor
    typical_p: Tensor
    temperature: Tensor
    repetition_penalty: Tensor
    no_repeat_ngram: Tensor
    bans_repeats: Tensor
    min_new_tokens: Tensor
    end_id: Tensor
    sequences: Tensor


def traced(settings: Settings, bans: Bans, vocabulary_size: int, end_id: int) -> TracedSettings:
    """Settings and bans of a call for a vocabulary of that size and its end token."""
    cuts = settings.sampler in ("top_k", "top_p")
    longest = max(map(len, bans.sequences), default=1)
    sequences = [[ANY] * (longest - len(ids)) + list(ids) for ids in bans.sequences]
    return TracedSettings(
        greedy=np.bool_(settings.sampler == "greedy"),
        k=np.int32(min(settings.k or vocabulary_size, vocabulary_size) if cuts else vocabulary_size),
        p=np.float32(settings.p if settings.sampler == "top_p" else 1),
        min_p=np.float32(settings.min_p or 0),
        typical_p=np.float32(settings.typical_p or 1),
        temperature=np.float32(settings.temperature),
        repetition_penalty=np.float32(settings.repetition_penalty),
        no_repeat_ngram=np.int32(settings.no_repeat_ngram),
        bans_repeats=np.bool_(settings.bans_repeats),
        min_new_tokens=np.int32(settings.min_new_tokens),
        end_id=np.int32(end_id),
        sequences=np.array(sequences, dtype=np.int32).reshape(-1, longest),
    )


def seen_tokens(history: Tensor, vocabulary_size: int) -> Tensor:
    """Which tokens a text holds, bool `(rows, vocabulary)`, of a history int32 `(rows, length)`."""
    return _at_tokens(history, ops.not_equal(history, NOTHING), vocabulary_size)


def first_runs(history: np.ndarray, filled: int) -> np.ndarray:
    """`grow_runs` for a text that is there already, int32 `(rows, length)`; its first `filled` places count."""
    runs = np.zeros(history.shape, dtype=np.int32)
    for place in range(filled):
        same = (history == history[:, place : place + 1]) & (history != NOTHING)
        runs[:, 1:] = np.where(same, runs + 1, 0)[:, :-1]
    return runs


def grow_runs(runs: Tensor, history: Tensor, tokens: Tensor) -> Tensor:
    """For each place, how many tokens before it equal those at the text's end, once these tokens have come.

    Args:
        runs: int32 `(rows, length)`, as before the tokens.
        history: int32 `(rows, length)`, `NOTHING` where there is no token.
        tokens: int32 `(rows,)`.
    """
    runs = ops.where(ops.equal(history, tokens[:, None]), runs + 1, 0)
    return ops.pad(runs[:, :-1], ((0, 0), (1, 0)))


def penalise_repetition(logits: Tensor, seen: Tensor, penalty: Tensor) -> Tensor:
    """As `processors.penalise_repetition`, of the tokens that `seen_tokens` shows."""
    return ops.where(seen, ops.where(logits < 0, logits * penalty, logits / penalty), logits)


def ban_repeated_ngrams(logits: Tensor, history: Tensor, runs: Tensor, n: Tensor) -> Tensor:
    """As `processors.ban_repeated_ngrams`."""

    def banned() -> Tensor:
        repeated = ops.logical_and(runs >= n - 1, ops.not_equal(history, NOTHING))
        return _without(logits, _at_tokens(history, repeated, logits.shape[1]))

    return ops.cond(n > 0, banned, lambda: logits)


def ban_repeats(logits: Tensor, history: Tensor, length: Tensor, begins: Tensor, wanted: Tensor) -> Tensor:
    """As `processors.ban_repeats`.

    Args:
        logits: float32 `(rows, vocabulary)`.
        history: int32 `(rows, places)`.
        length: int32 `()`, the places filled.
        begins: int32 `(rows,)`, the place at which each row's text begins.
        wanted: bool `()`.
    """

    def banned() -> Tensor:
        places = ops.arange(history.shape[1], dtype="int32")
        text = ops.logical_and(places >= begins[:, None], places < length)
        last = ops.slice(history, (0, length - 1), (history.shape[0], 1))
        same = ops.logical_and(text, ops.equal(history, last))
        once = ops.sum(ops.cast(same, "int32"), axis=-1, keepdims=True) == 1
        held = ops.logical_and(text, ops.logical_not(ops.logical_and(same, once)))
        return ops.where(_at_tokens(history, held, logits.shape[1]), _NONE, logits)

    return ops.cond(wanted, banned, lambda: logits)


def ban_sequences(logits: Tensor, history: Tensor, length: Tensor, sequences: Tensor) -> Tensor:
    """As `processors.ban_sequences`.

    Args:
        logits: float32 `(rows, vocabulary)`.
        history: int32 `(rows, places)`; at least as many places lie before `length` as a sequence has tokens.
        length: int32 `()`, the places filled.
        sequences: int32 `(number, longest)`, `ANY` in front of shorter ones.
    """
    number, longest = sequences.shape
    if number == 0:
        return logits
    rows = logits.shape[0]
    before, last = sequences[:, :-1], sequences[:, -1]
    tail = ops.slice(history, (0, length - longest + 1), (rows, longest - 1))
    came = ops.all(ops.logical_or(ops.equal(tail[:, None], before), ops.equal(before, ANY)), axis=-1)
    return _without(logits, _at_tokens(ops.broadcast_to(last, (rows, number)), came, logits.shape[1]))


def repeated(history: Tensor, length: Tensor, backs: Tensor) -> Tensor:
    """The token that each row repeats next, int32 `(rows,)`, `NOTHING` where it repeats none.

    Args:
        history: int32 `(rows, places)`.
        length: int32 `()`, the places filled.
        backs: int32 `(rows,)`, how far back it stands; 0: nowhere.
    """
    tokens = ops.take_along_axis(history, (length - ops.maximum(backs, 1))[:, None], axis=1)[:, 0]
    return ops.where(backs > 0, tokens, NOTHING)


def keep_form(scores: Tensor, logits: Tensor, needs: Tensor, besides: Tensor, again: Tensor) -> Tensor:
    """As `processors.keep_form`, and the tokens that never come.

    Args:
        scores: float32 `(rows, vocabulary)`, penalties and bans applied.
        logits: the same without them.
        needs: int32 `(rows,)`, which of `besides` holds for each row.
        besides: bool `(needs, vocabulary)`, what will not do; a single one: no form is asked for.
        again: int32 `(rows,)`, the token that each row must repeat, `NOTHING` where it repeats none.
    """
    if besides.shape[0] == 1:
        return ops.where(besides[0], _NONE, scores)
    others = ops.arange(logits.shape[1], dtype="int32") != again[:, None]
    banned = ops.where(again[:, None] == NOTHING, ops.take(besides, needs, axis=0), others)
    kept = ops.where(banned, _NONE, scores)
    alive = ops.any(kept > _NONE, axis=-1, keepdims=True)
    return ops.where(alive, kept, ops.where(banned, _NONE, logits))


def next_tokens(logits: Tensor, settings: TracedSettings, uniform: Tensor) -> Tensor:
    """The next token of each row, int32 `(rows,)`; `uniform` is a draw from [0, 1) for each, float32 `(rows,)`."""
    vocabulary_size = logits.shape[1]
    few = min(FEW, vocabulary_size)

    def best() -> Tensor:
        return ops.cast(ops.argmax(logits, axis=-1), "int32")

    def of_few() -> Tensor:
        values, ids = ops.top_k(logits, few)
        # In the order of the vocabulary, so that a draw means the same token as among all.
        order = ops.argsort(ids, axis=-1)
        values, ids = (ops.take_along_axis(part, order, axis=-1) for part in (values, ids))
        return ops.cast(ops.take_along_axis(ids, _draw(values, settings, uniform)[:, None], axis=-1)[:, 0], "int32")

    def of_all() -> Tensor:
        return _draw(logits, settings, uniform)

    def drawn() -> Tensor:
        return ops.cond(settings.k <= few, of_few, of_all)

    return ops.cond(settings.greedy, best, drawn)


def probabilities(logits: Tensor, settings: TracedSettings) -> Tensor:
    """What is drawn from, float32 `(rows, tokens)`: 0 where a cut takes a token away. See `processors.candidates`."""
    ones = ops.ones_like(logits)
    kept = logits >= ops.maximum(_cut_at(logits, ones, ops.cast(settings.k, "float32")), np.finfo("float32").min)
    scores = ops.where(kept, logits / settings.temperature, _NONE)

    def nucleus() -> Tensor:
        return _keep(scores, scores >= _cut_at(scores, ops.softmax(scores), settings.p))

    scores = ops.cond(settings.p < 1, nucleus, lambda: scores)
    # log(0) is minus infinity: without min_p everything stays.
    scores = _keep(scores, scores >= ops.max(scores, axis=-1, keepdims=True) + ops.log(settings.min_p))

    def typical() -> Tensor:
        shares = ops.softmax(scores)
        surprise = ops.where(shares > 0, -ops.log(ops.maximum(shares, np.finfo("float32").tiny)), 0)
        distance = ops.abs(surprise - ops.sum(surprise * shares, axis=-1, keepdims=True))
        nearness = ops.where(shares > 0, -distance, _NONE)
        return _keep(scores, nearness >= _cut_at(nearness, shares, settings.typical_p))

    return ops.softmax(ops.cond(settings.typical_p < 1, typical, lambda: scores))


def log_probabilities(logits: Tensor, tokens: Tensor) -> Tensor:
    """As `processors.log_probabilities`, float32."""
    chosen = ops.take_along_axis(logits, tokens[:, None], axis=-1)[:, 0]
    return chosen - ops.logsumexp(logits, axis=-1)


def _draw(logits: Tensor, settings: Tensor, uniform: Tensor) -> Tensor:
    """Places of one token a row."""
    shares = probabilities(logits, settings)
    cumulative = ops.cumsum(shares, axis=-1)
    point = uniform[:, None] * cumulative[:, -1:]
    drawn = ops.sum(ops.cast(cumulative <= point, "int32"), axis=-1)
    # Rounding must not lead behind the last token that is left.
    places = ops.arange(logits.shape[1], dtype="int32")
    return ops.minimum(drawn, ops.max(ops.where(shares > 0, places, 0), axis=-1))


def _cut_at(values: Tensor, weights: Tensor, target: Tensor) -> Tensor:
    """The greatest value at which the weights of it and of all greater ones sum to the target, `(rows, 1)`.

    Where they never do, the least. The search halves the interval four times a pass, so 32 times in all, and takes
    the least value that lies above its lower end. Sorting would take longer, except for few tokens.
    """
    greatest = ops.max(values, axis=-1, keepdims=True)
    least = ops.min(ops.where(values > _NONE, values, greatest), axis=-1, keepdims=True)
    inner = ops.arange(1, _WAYS, dtype="float32") / _WAYS

    def narrow(_: Tensor, low_and_width: Tensor) -> Tensor:
        low, width = low_and_width
        points = low + width * inner[None]
        above = ops.cast(values[:, None] >= points[:, :, None], "float32") * weights[:, None]
        reached = ops.cast(ops.sum(above, axis=-1) >= target, "float32")
        # The sums fall from point to point, so the points that reach the target come first.
        return low + width * ops.sum(reached, axis=-1, keepdims=True) / _WAYS, width / _WAYS

    low, _ = ops.fori_loop(0, _PASSES, narrow, (least, greatest - least))
    return ops.min(ops.where(values >= low, values, greatest), axis=-1, keepdims=True)


def _keep(scores: Tensor, kept: Tensor) -> Tensor:
    return ops.where(kept, scores, _NONE)


def _without(logits: Tensor, banned: Tensor) -> Tensor:
    """The logits with some tokens at minus infinity; a row in which nothing would be left keeps them."""
    left = ops.where(banned, _NONE, logits)
    alive = ops.any(left > _NONE, axis=-1, keepdims=True)
    return ops.where(alive, left, logits)


def _at_tokens(tokens: Tensor, flags: Tensor, vocabulary_size: int) -> Tensor:
    """Which tokens are flagged anywhere in a row: tokens and flags `(rows, length)` to bool `(rows, vocabulary)`."""
    rows, length = tokens.shape
    row = ops.broadcast_to(ops.arange(rows, dtype="int32")[:, None], (rows, length))
    indices = ops.stack([row, ops.maximum(tokens, 0)], axis=-1)
    counts = ops.scatter(
        ops.reshape(indices, (-1, 2)), ops.reshape(ops.cast(flags, "int32"), (-1,)), (rows, vocabulary_size)
    )
    return counts > 0
