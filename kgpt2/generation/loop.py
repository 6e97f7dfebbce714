"""The loop: rows in, tokens added to them, step by step on the host with NumPy processors or compiled on the device."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from kgpt2.generation.processors import (
    NOTHING,
    ban,
    ban_repeated_ngrams,
    ban_sequences,
    keep_form,
    log_probabilities,
    next_tokens,
    penalise_repetition,
)
from kgpt2.generation.rows import Bans, Codec, Row
from kgpt2.generation.runtime import CAPACITY_STEP, PREFILL_STEP, Runtime, pad_left, round_up
from kgpt2.generation.settings import Settings


@dataclasses.dataclass(frozen=True)
class Segment:
    """Rows as they are computed together until all have ended or one has filled the context.

    Attributes:
        rows: the rows that grow.
        token_ids: int32 `(prefills, width)`, what each has so far, padded on the left so that all grow at the same end.
        pads: int32 `(prefills,)`, the padding of each.
        source: int32 `(rows,)`, or `(size,)` where shapes are static: which prefill a row goes on from. Continuations
            of one prompt share its prefill, and double its row of the cache afterwards.
        steps: how many tokens may come.
    """

    rows: Sequence[Row]
    token_ids: np.ndarray
    pads: np.ndarray
    source: np.ndarray
    steps: int

    @property
    def width(self) -> int:
        """Places that the prefill takes."""
        return self.token_ids.shape[1]


def grow(
    runtime: Runtime,
    codec: Codec,
    rows: Sequence[Row],
    size: int,
    settings: Settings,
    bans: Bans,
    streaming: bool = False,
) -> Iterator[None]:
    """Grows rows to their ends; yields whenever some have new tokens.

    Args:
        runtime: computes the logits.
        codec: the tokenizer.
        rows: what grows, `size` or fewer.
        size: rows of a batch, where the runtime wants the same number each time.
        settings: how to choose tokens.
        bans: what may not come.
        streaming: somebody waits for each token.
    """
    while growing := [row for row in rows if row.finish_reason is None]:
        # Where shapes are static, every batch must hold one prompt for its prefill to have one row.
        alone = settings.num_return % size == 0 and not any(row.new for row in growing)
        segment = lay_out(growing, size, runtime, codec, share=alone or not runtime.static_shapes)
        if runtime.loop is not None:
            yield from runtime.loop.run(segment, codec, settings, bans, streaming)
        else:
            yield from _step_by_step(segment, runtime, codec, settings, bans)


def lay_out(rows: Sequence[Row], size: int, runtime: Runtime, codec: Codec, share: bool) -> Segment:
    """The rows as one batch; `share`: continuations of one prompt share its prefill."""
    windows = [_window(row, runtime.context) for row in rows]
    keys = [id(row.prompt) if share and not row.new else id(row) for row in rows]
    unique = list(dict.fromkeys(keys))
    first = [windows[keys.index(key)] for key in unique]
    source = [unique.index(key) for key in keys]
    width = max(map(len, first))
    if runtime.static_shapes:  # the last batch is filled up with rows that nobody reads
        if not share:
            first += [first[0]] * (size - len(first))
        source = [0] * size if share else list(range(size))
        width = round_up(width, PREFILL_STEP)
    token_ids, pads = pad_left(first, width, codec.pad_id)
    room = [runtime.context - len(window) for window in windows]
    full = [space for space, row in zip(room, rows, strict=True) if row.left > space]
    steps = min(full, default=max(row.left for row in rows))
    return Segment(rows, token_ids, pads, np.array(source, dtype=np.int32), steps)


def _capacity(segment: Segment, runtime: Runtime) -> int:
    return round_up(segment.width + segment.steps, CAPACITY_STEP if runtime.static_shapes else 1)


def _window(row: Row, context: int) -> list[int]:
    """What the network reads of a row: all of it, or the end of a text that has outgrown the context.

    Where the window begins depends on the row's length alone, so that a row's neighbours do not matter. It moves by
    half a context at a time, because each move costs a prefill.
    """
    ids = row.prompt.ids + row.new
    move = context - context // 2
    start = 0 if len(ids) < context else ((len(ids) - context) // move + 1) * move
    return ids[start:]


def _step_by_step(segment: Segment, runtime: Runtime, codec: Codec, settings: Settings, bans: Bans) -> Iterator[None]:
    rows = segment.rows
    logits, cache = runtime.prefill(segment.token_ids, segment.pads, _capacity(segment, runtime))
    places, growing = segment.source[: len(rows)], np.arange(len(rows))  # rows of the cache, and the rows they are
    texts = [row.prompt.ids + row.new for row in rows]
    history, _ = pad_left(texts, max(map(len, texts)), NOTHING)
    for left in range(segment.steps, 0, -1):
        tokens = _choose(logits[places], history[growing], [rows[number] for number in growing], codec, settings, bans)
        history = np.pad(history, ((0, 0), (0, 1)), constant_values=NOTHING)
        history[growing, -1] = tokens
        yield
        alive = np.array([rows[number].finish_reason is None for number in growing])
        if not alive.any() or left == 1:
            return
        if runtime.static_shapes:
            fed = np.full(len(segment.source), codec.pad_id, dtype=np.int32)
            fed[growing] = tokens
            first = left == segment.steps
            logits, cache = runtime.step(fed, segment.source if first else np.arange(len(fed), dtype=np.int32), cache)
            growing = growing[alive]
            places = growing
        else:
            logits, cache = runtime.step(tokens[alive].astype(np.int32), places[alive], cache)
            growing = growing[alive]
            places = np.arange(len(growing))


def _choose(
    logits: np.ndarray, history: np.ndarray, rows: Sequence[Row], codec: Codec, settings: Settings, bans: Bans
) -> np.ndarray:
    """The next token of each row, which the row takes."""
    scores = forbid(logits, history, rows, codec, settings, bans)
    tokens = next_tokens(scores, settings, [row.draw for row in rows])
    values = log_probabilities(logits, tokens) if settings.logprobs else [None] * len(rows)
    for row, token, value in zip(rows, tokens, values, strict=True):
        row.take(int(token), value if value is None else float(value))
    return tokens


def forbid(
    logits: np.ndarray, history: np.ndarray, rows: Sequence[Row], codec: Codec, settings: Settings, bans: Bans
) -> np.ndarray:
    """Logits `(rows, vocabulary)` after penalties and bans; `history` `(rows, length)` is what the rows hold."""
    scores = penalise_repetition(logits, history, settings.repetition_penalty)
    scores = ban_repeated_ngrams(scores, history, settings.no_repeat_ngram)
    scores = ban_sequences(scores, history, bans.sequences)
    if rows[0].plan is not None:
        return keep_form(scores, logits, np.stack([bans.besides(row.plan[len(row.new)]) for row in rows]))
    scores = ban(scores, bans.mask)
    short = np.array([len(row.new) < settings.min_new_tokens for row in rows])
    if short.any():
        scores[short, codec.end_id] = -np.inf
    return scores
