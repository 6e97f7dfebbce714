"""The loop: rows in, tokens added to them, step by step on the host or many steps in one call of the runtime."""

from collections.abc import Iterator, Sequence

import numpy as np

from kgpt2.generation.decoder import Decoder
from kgpt2.generation.processors import NOTHING
from kgpt2.generation.rows import Row
from kgpt2.generation.runtime import pad_left
from kgpt2.generation.segment import Segment, lay_out


def grow(decoder: Decoder, rows: Sequence[Row], size: int, streaming: bool = False) -> Iterator[None]:
    """Grows rows to their ends; yields whenever some have new tokens.

    Args:
        decoder: chooses the tokens.
        rows: what grows, `size` or fewer.
        size: rows of a batch, the same for all batches of a call.
        streaming: somebody waits for each token.
    """
    runtime = decoder.runtime
    while growing := [row for row in rows if row.finish_reason is None]:
        segment = lay_out(growing, size, runtime.context)
        if runtime.loop is not None:
            yield from runtime.loop(segment, decoder, streaming)
        else:
            yield from _step_by_step(segment, decoder)


def _step_by_step(segment: Segment, decoder: Decoder) -> Iterator[None]:
    runtime, rows, left = decoder.runtime, list(segment.rows), segment.steps
    logits, cache = runtime.prefill(segment.texts, segment.width + left, segment.size)
    places = np.array(segment.source, np.int32)  # rows of the cache that the growing rows go on from
    logits = logits[places]
    texts = [row.prompt.ids + row.new for row in rows]
    history, _ = pad_left(texts, max(map(len, texts)), NOTHING)
    while True:
        tokens = decoder.choose(logits, history, rows)[:, None]
        left -= 1
        yield
        known = decoder.known(rows)[:, :left]
        for column in known.T:
            for row, token in zip(rows, column.tolist(), strict=True):
                row.take_settled(token)
            left -= 1
            yield
        alive = np.array([row.finish_reason is None for row in rows])
        if not alive.any() or not left:
            return
        tokens = np.concatenate([tokens, known], axis=1)
        rows = [row for row in rows if row.finish_reason is None]
        history = np.concatenate([history, tokens], axis=1)[alive]
        logits, cache = runtime.step(tokens[alive], places[alive], cache)
        places = np.arange(len(rows), dtype=np.int32)
