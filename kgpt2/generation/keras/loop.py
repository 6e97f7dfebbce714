"""The loop on the device: prefill and the first token in one program, and any number of further tokens in another.

The host comes back for a block of tokens at a time, or for all of them where nobody waits for text. A program belongs
to a shape: rows, the prompt's rounded width, the rounded room for text. Settings, draws and weights are its arguments.
"""

from collections.abc import Iterator
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from kgpt2.generation.decoder import Decoder
from kgpt2.generation.keras import processors
from kgpt2.generation.keras.network import Cache, Network, Weights
from kgpt2.generation.keras.programs import Programs
from kgpt2.generation.keras.shapes import bucket, round_up
from kgpt2.generation.keras.text import Constants, Text
from kgpt2.generation.processors import NOTHING
from kgpt2.generation.segment import Segment
from kgpt2.models.backend import Tensor

# Tokens between two looks of the host, where it shows text or watches for stop texts.
BLOCK = 8


class State(NamedTuple):
    """What changes with each token.

    Attributes:
        cache: keys and values of each layer.
        place: int32 `()`, the first free place of the cache.
        history: int32 `(rows, places)`, the texts, `NOTHING` where there is no token.
        runs: int32 `(rows, places)`, see `processors.grow_runs`.
        seen: bool `(rows, vocabulary)`, the tokens that each text holds.
        logprobs: float32 `(rows, places)`.
        ended: bool `(rows,)`.
    """

    cache: Cache
    place: Tensor
    history: Tensor
    runs: Tensor
    seen: Tensor
    logprobs: Tensor
    ended: Tensor


class Draws(NamedTuple):
    """What each new token is drawn with, float32, which need it must meet, and how far back the token stands that it
    repeats, int32; all `(rows, places)`.
    """

    uniforms: Tensor
    needs: Tensor
    backs: Tensor


class CompiledLoop:
    """Grows the rows of a segment.

    Args:
        network: the forward pass.
        programs: compiles and counts.
    """

    def __init__(self, network: Network, programs: Programs):
        self._network, self._programs = network, programs

    def run(self, segment: Segment, decoder: Decoder, streaming: bool = False) -> Iterator[None]:
        """Adds tokens to the rows, block by block; yields after each.

        Args:
            segment: the rows.
            decoder: of the call.
            streaming: whether to come back after each block although no stop text is watched for.
        """
        programs, settings = self._programs, decoder.settings
        weights = programs.read(self._network.weights)
        text = Text(segment, decoder, round_up(segment.size, programs.row_multiple))
        width, total = text.prefill_width, text.prefill_width + segment.steps
        room = bucket(width + 1, total)
        first = (text.token_ids, text.pads, text.history(room), text.runs(room), _draws(text, room))
        arguments = (weights, *programs.spread(first), text.constants)
        state: State = programs.call(self._begin, *arguments, static=(room,), idle=arguments)
        done = 0
        while True:
            done = _hand_out(state, segment, text, done, settings.logprobs)
            yield
            alive = np.array([row.finish_reason is None for row in segment.rows])
            if done == segment.steps or not alive.any():
                return
            if width + done >= room:
                grown = bucket(width + done + 1, total)
                state, room = _grown(state, grown - room), grown
            until = segment.steps if not (streaming or settings.stop) else min(done + BLOCK, segment.steps)
            until = min(until, room - width)
            ended = np.ones(len(text.constants.ends), dtype=bool)
            ended[: len(alive)] = ~alive
            state, draws, ended = programs.spread((state, _draws(text, room), ended))
            here, there = (np.int32(text.width + count) for count in (done, until))
            arguments = (weights, state, draws, ended, text.constants)
            state = programs.call(self._advance, *arguments, there, donate=1, idle=(*arguments, here))

    def _begin(
        self,
        weights: Weights,
        token_ids: Tensor,
        pads: Tensor,
        history: Tensor,
        runs: Tensor,
        draws: Draws,
        constants: Constants,
        room: int,
    ) -> State:
        """The state after the prompts and their first new token."""
        logits, cache = self._network.prefill(weights, token_ids, pads, room)
        rows = history.shape[0]
        if token_ids.shape[0] != rows:  # the continuations of one prompt
            logits, cache = keras.tree.map_structure(lambda part: ops.repeat(part, rows, axis=0), (logits, cache))
        state = State(
            cache=cache,
            place=ops.convert_to_tensor(token_ids.shape[1], "int32"),
            history=history,
            runs=runs,
            seen=processors.seen_tokens(history, logits.shape[1]),
            logprobs=ops.zeros(history.shape, dtype="float32"),
            ended=constants.ends <= constants.width,
        )
        return _take(state, logits, draws, constants)

    def _advance(
        self, weights: Weights, state: State, draws: Draws, ended: Tensor, constants: Constants, until: Tensor
    ) -> State:
        """The state when a row's text has come to `until`, or all rows to their ends."""

        def going(state: State) -> Tensor:
            return ops.logical_and(_length(state, constants) < until, ops.logical_not(ops.all(state.ended)))

        def advance(state: State) -> tuple[State]:
            last = ops.slice(state.history, (0, _length(state, constants) - 1), (state.history.shape[0], 1))[:, 0]
            logits, cache = self._network.step(weights, ops.maximum(last, 0), constants.pads, state.place, state.cache)
            return (_take(state._replace(cache=cache, place=state.place + 1), logits, draws, constants),)

        first = state._replace(ended=ops.logical_or(state.ended, ended))
        last: State
        (last,) = ops.while_loop(going, advance, (first,))
        return last


def _take(state: State, logits: Tensor, draws: Draws, constants: Constants) -> State:
    """The state with one more token in each text that has not ended."""
    settings, history, place = constants.settings, state.history, constants.offset + state.place
    scores = processors.penalise_repetition(logits, state.seen, settings.repetition_penalty)
    scores = processors.ban_repeated_ngrams(scores, history, state.runs, settings.no_repeat_ngram)
    scores = processors.ban_repeats(scores, history, place, constants.begins, settings.bans_repeats)
    scores = processors.ban_sequences(scores, history, place, settings.sequences)
    ids = ops.arange(logits.shape[1], dtype="int32")
    short = place - constants.start < settings.min_new_tokens
    scores = ops.where(ops.logical_and(short[:, None], ids == settings.end_id), -np.inf, scores)
    uniform, need, back = (ops.slice(each, (0, place), (each.shape[0], 1))[:, 0] for each in draws)
    scores = processors.keep_form(scores, logits, need, constants.besides, processors.repeated(history, place, back))
    tokens = processors.next_tokens(scores, settings, uniform)
    logprobs = ops.cond(
        constants.logprobs,
        lambda: processors.log_probabilities(logits, tokens),
        lambda: ops.zeros(tokens.shape, dtype="float32"),
    )
    tokens = ops.where(state.ended, NOTHING, tokens)
    ended = ops.logical_or(tokens == settings.end_id, place + 1 >= constants.ends)
    return state._replace(
        runs=processors.grow_runs(state.runs, history, tokens),
        history=ops.slice_update(history, (0, place), tokens[:, None]),
        logprobs=ops.slice_update(state.logprobs, (0, place), logprobs[:, None]),
        seen=ops.logical_or(state.seen, ids == tokens[:, None]),
        ended=ops.logical_or(state.ended, ended),
    )


def _hand_out(state: State, segment: Segment, text: Text, done: int, logprobs: bool) -> int:
    """Gives the rows their new tokens; returns how many each has had."""
    ready = int(ops.convert_to_numpy(state.place)) - text.prefill_width + 1
    new = slice(text.width + done, text.width + ready)
    tokens = ops.convert_to_numpy(state.history)[:, new]
    values = ops.convert_to_numpy(state.logprobs)[:, new] if logprobs else None
    for number, row in enumerate(segment.rows):
        for place, token in enumerate(tokens[number].tolist()):
            if row.finish_reason is None:
                row.take(token, None if values is None else float(values[number, place]))
    return ready


def _draws(text: Text, room: int) -> Draws:
    return Draws(text.uniforms(room), text.needs(room), text.backs(room))


def _length(state: State, constants: Constants) -> Tensor:
    """Places of the texts that are filled: the last token is not in the cache yet."""
    return constants.offset + state.place + 1


def _grown(state: State, by: int) -> State:
    """The state with more room."""

    def wider(part: Tensor, empty: int) -> Tensor:
        return ops.pad(part, ((0, 0), (0, by)), constant_values=empty)

    room = ((0, 0), (0, 0), (0, by), (0, 0))
    return state._replace(
        cache=[(ops.pad(keys, room), ops.pad(values, room)) for keys, values in state.cache],
        history=wider(state.history, NOTHING),
        runs=wider(state.runs, 0),
        logprobs=wider(state.logprobs, 0),
    )
