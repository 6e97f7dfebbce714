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
    runtime, rows = decoder.runtime, segment.rows
    logits, cache = runtime.prefill(segment.texts, segment.width + segment.steps, segment.size)
    # Rows of the cache, and the rows that they are.
    places, growing = np.array(segment.source, np.int32), np.arange(len(rows))
    texts = [row.prompt.ids + row.new for row in rows]
    history, _ = pad_left(texts, max(map(len, texts)), NOTHING)
    for left in range(segment.steps, 0, -1):
        tokens = decoder.choose(logits[places], history[growing], [rows[int(number)] for number in growing])
        history = np.pad(history, ((0, 0), (0, 1)), constant_values=NOTHING)
        history[growing, -1] = tokens
        yield
        alive = np.array([rows[int(number)].finish_reason is None for number in growing])
        if not alive.any() or left == 1:
            return
        logits, cache = runtime.step(tokens[alive], places[alive], cache)
        growing = growing[alive]
        places = np.arange(len(growing), dtype=np.int32)
