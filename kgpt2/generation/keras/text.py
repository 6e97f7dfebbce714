"""The rows of a segment as arrays that the compiled loop takes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgpt2.generation.bans import Bans
from kgpt2.generation.decoder import Decoder
from kgpt2.generation.keras import processors
from kgpt2.generation.keras.processors import TracedSettings
from kgpt2.generation.keras.shapes import PREFILL_STEP, power_of_two, round_up
from kgpt2.generation.processors import NOTHING
from kgpt2.generation.rows import Row
from kgpt2.generation.runtime import pad_left
from kgpt2.generation.segment import Segment
from kgpt2.models.backend import Tensor
from kgpt2.verse.rules import Need


class Constants(NamedTuple):
    """What stays the same while a segment grows.

    Attributes:
        settings: what the processors go by.
        logprobs: bool `()`, whether log-probabilities are asked for.
        pads: int32 `(rows,)`, the padding of each row in the cache.
        width: int32 `()`, the place of the first new token.
        offset: int32 `()`, how many places of the texts lie before those of the cache.
        besides: bool `(needs, vocabulary)`, what will not do for each need; the first: where no form is asked for.
        begins: int32 `(rows,)`, the place where each row's text begins, behind marks and keywords.
        start: int32 `(rows,)`, the place where each row's completion began.
        ends: int32 `(rows,)`, the place at which each row is full.
    """

    settings: TracedSettings
    logprobs: Tensor
    pads: Tensor
    width: Tensor
    offset: Tensor
    besides: Tensor
    begins: Tensor
    start: Tensor
    ends: Tensor


class Text:
    """What the rows hold so far and what they may take, as arrays `(rows, places)`; all texts end at place `width`.

    Args:
        segment: the rows.
        decoder: of the call.
        size: rows of the program; those beyond the segment's are read by nobody, and end at once.

    Attributes:
        token_ids: int32 `(prefills, prefill_width)`, what is read first; a single row where all continue one prompt.
        pads: int32 `(prefills,)`, the padding of each.
        width: place of the first new token.
        constants: see `Constants`.
    """

    def __init__(self, segment: Segment, decoder: Decoder, size: int):
        rows, bans, settings = segment.rows, decoder.bans, decoder.settings
        shared = len(segment.texts) == 1 and len(rows) == size
        read = segment.texts if shared else [segment.texts[source] for source in segment.source]
        if not shared:
            read += read[:1] * (size - len(rows))
        self.prefill_width = round_up(segment.width, PREFILL_STEP)
        self.token_ids, self.pads = pad_left(read, self.prefill_width)
        texts = [row.prompt.ids + row.new for row in rows]
        texts += texts[:1] * (size - len(rows))
        # As wide as the prefill, unless a text has outgrown the context.
        self.width = max(self.prefill_width, round_up(max(map(len, [*texts, *bans.sequences])), PREFILL_STEP))
        self._texts, _ = pad_left(texts, self.width, NOTHING)
        self._offset, self._ngram = self.width - self.prefill_width, settings.no_repeat_ngram
        left = _filled([min(row.left, segment.steps) for row in rows], size)
        self._uniforms = np.zeros((size, segment.steps), dtype=np.float32)
        if settings.sampler != "greedy":
            for number, row in enumerate(rows):
                drawn = row.draw.random(left[number])
                self._uniforms[number, : left[number]] = np.minimum(drawn, 1 - 2.0**-24)  # below 1 in float32 too
        besides, self._needs, self._backs = _plan(rows, size, segment.steps, bans)
        self.constants = Constants(
            settings=processors.traced(settings, bans, decoder.runtime.vocabulary_size, decoder.tokenizer.end_id),
            logprobs=np.bool_(settings.logprobs),
            pads=np.repeat(self.pads, size) if shared else self.pads,
            width=np.int32(self.width),
            offset=np.int32(self._offset),
            besides=besides,
            begins=self.width - _filled([row.length for row in rows], size),
            start=self.width - _filled([len(row.new) for row in rows], size),
            ends=self.width + left,
        )

    def history(self, room: int) -> NDArray[np.int32]:
        """int32 `(rows, places)`: the texts, right before the first new token's place, and room."""
        return _padded(self._texts, self._offset + room, NOTHING)

    def runs(self, room: int) -> NDArray[np.int32]:
        """See `processors.grow_runs`; nothing looks at it unless n-grams are banned."""
        history = self.history(room)
        return processors.first_runs(history, self.width) if self._ngram else np.zeros_like(history)

    def uniforms(self, room: int) -> NDArray[Any]:
        """float32 `(rows, places)`: what the token at each place is drawn with."""
        return self._placed(self._uniforms, room)

    def needs(self, room: int) -> NDArray[Any]:
        """int32 `(rows, places)`: which row of `besides` says what the token at each place must be."""
        return self._placed(self._needs, room)

    def backs(self, room: int) -> NDArray[Any]:
        """int32 `(rows, places)`: how many places before each the token stands that it repeats; 0: it repeats none."""
        return self._placed(self._backs, room)

    def _placed(self, steps: NDArray[Any], room: int) -> NDArray[Any]:
        filled = np.pad(steps, ((0, 0), (self.width, 0)))
        return _padded(filled[:, : self._offset + room], self._offset + room, 0)


def _plan(
    rows: Sequence[Row], size: int, steps: int, bans: Bans
) -> tuple[NDArray[np.bool_], NDArray[np.int32], NDArray[np.int32]]:
    """What the tokens of each step must be.

    Returns:
        What will not do, bool `(needs, vocabulary)`, the first where no form is asked for; which of them each step
        has, and how far back the token stands that it repeats, both int32 `(rows, steps)`.
    """
    places: dict[Need, int] = {}
    needs, backs = (np.zeros((size, steps), dtype=np.int32) for _ in range(2))
    for number, row in enumerate(rows):
        if row.plan is not None:
            left = row.plan[len(row.new) :][:steps]
            needs[number, : len(left)] = [places.setdefault(need, len(places) + 1) for need in left]
            backs[number, : len(left)] = [need.back for need in left]
    masks = [bans.mask, *map(bans.besides, places)]
    # Few different numbers, since each is another program.
    masks += masks[:1] * (0 if not places else power_of_two(len(masks)) - len(masks))
    return np.stack(masks), needs, backs


def _filled(values: Sequence[int], size: int) -> NDArray[np.int32]:
    """The values and zeros behind them, int32 `(size,)`."""
    return np.pad(np.array(values, dtype=np.int32), (0, size - len(values)))


def _padded(rows: NDArray[Any], width: int, empty: int) -> NDArray[Any]:
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])), constant_values=empty)
