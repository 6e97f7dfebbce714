"""The loop on the device: prefill and the first token in one program, and any number of further tokens in another.

The host comes back for a block of tokens at a time, or for all of them where nobody waits for text. A program belongs
to a shape: rows, the prompt's rounded width, the rounded room for text. Settings, draws and weights are its arguments.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kgpt2.generation.keras import processors
from kgpt2.generation.keras.network import Network
from kgpt2.generation.keras.programs import Programs
from kgpt2.generation.loop import Segment
from kgpt2.generation.processors import NOTHING
from kgpt2.generation.rows import Bans, Codec, Row
from kgpt2.generation.runtime import CAPACITY_STEP, PREFILL_STEP, pad_left, round_up
from kgpt2.generation.settings import Settings
from kgpt2.verse.plan import Need

# Tokens between two looks of the host, where it shows text or watches for stop texts.
BLOCK = 8


class CompiledLoop:
    """Grows the rows of a segment.

    Args:
        network: the forward pass.
        programs: compiles and counts.
    """

    def __init__(self, network: Network, programs: Programs):
        self._network, self._programs = network, programs

    def run(
        self, segment: Segment, codec: Codec, settings: Settings, bans: Bans, streaming: bool = False
    ) -> Iterator[None]:
        """Adds tokens to the rows, block by block; yields after each.

        Args:
            segment: the rows.
            codec: the tokenizer.
            settings: how to choose tokens.
            bans: what may not come.
            streaming: whether to come back after each block although no stop text is watched for.
        """
        weights = self._programs.read(self._network.weights)
        text = _Text(segment, settings, bans, codec, self._network.vocabulary_size)
        width, total = segment.width, segment.width + segment.steps
        room = _bucket(width + 1, total)
        rows = (
            segment.token_ids,
            segment.pads,
            text.history(room),
            text.runs(room),
            text.uniforms(room),
            text.needs(room),
        )
        arguments = (weights, *self._programs.spread(rows), text.constants)
        state = self._programs.call(self._begin, *arguments, static=(room,), idle=arguments)
        done = 0
        while True:
            done = self._hand_out(state, segment, text, done, settings.logprobs)
            yield
            alive = np.array([row.finish_reason is None for row in segment.rows])
            if done == segment.steps or not alive.any():
                return
            if width + done >= room:
                grown = _bucket(width + done + 1, total)
                state, room = _grown(state, grown - room), grown
            until = segment.steps if not (streaming or settings.stop) else min(done + BLOCK, segment.steps)
            until = min(until, room - width)
            ended = np.ones(len(text.start), dtype=bool)
            ended[: len(alive)] = ~alive
            state, *rows = self._programs.spread((state, text.uniforms(room), text.needs(room), ended))
            arguments = (*rows, text.constants)
            here, there = (np.int32(text.width + count) for count in (done, until))
            state = self._programs.call(
                self._advance, weights, state, *arguments, there, donate=1, idle=(weights, state, *arguments, here)
            )

    def _begin(self, weights, token_ids, pads, history, runs, uniforms, needs, constants, room: int) -> dict[str, Any]:
        """The state after the prompts and their first new token."""
        logits, cache = self._network.prefill(weights, token_ids, pads, room)
        rows = history.shape[0]
        if token_ids.shape[0] != rows:  # the continuations of one prompt
            logits, cache = keras.tree.map_structure(lambda part: ops.repeat(part, rows, axis=0), (logits, cache))
        state = {
            "cache": cache,
            "place": ops.convert_to_tensor(token_ids.shape[1], "int32"),
            "history": history,
            "runs": runs,
            "seen": processors.seen_tokens(history, logits.shape[1]),
            "logprobs": ops.zeros(history.shape, dtype="float32"),
            "ended": constants["ends"] <= constants["width"],
        }
        return self._take(state, logits, uniforms, needs, constants)

    def _advance(self, weights, state, uniforms, needs, ended, constants, until) -> dict[str, Any]:
        """The state when a row's text has come to `until`, or all rows to their ends."""

        def going(state):
            return ops.logical_and(_length(state, constants) < until, ops.logical_not(ops.all(state["ended"])))

        def advance(state):
            last = ops.slice(state["history"], (0, _length(state, constants) - 1), (state["history"].shape[0], 1))[:, 0]
            logits, cache = self._network.step(
                weights, ops.maximum(last, 0), constants["pads"], state["place"], state["cache"]
            )
            state = {**state, "cache": cache, "place": state["place"] + 1}
            return self._take(state, logits, uniforms, needs, constants)

        return ops.while_loop(going, advance, {**state, "ended": ops.logical_or(state["ended"], ended)})

    def _take(self, state, logits, uniforms, needs, constants) -> dict[str, Any]:
        """The state with one more token in each text that has not ended."""
        rules, history, place = constants["rules"], state["history"], constants["offset"] + state["place"]
        scores = processors.penalise_repetition(logits, state["seen"], rules["repetition_penalty"])
        scores = processors.ban_repeated_ngrams(scores, history, state["runs"], rules["no_repeat_ngram"])
        scores = processors.ban_sequences(scores, history, place, rules["sequences"])
        ids = ops.arange(logits.shape[1], dtype="int32")
        short = place - constants["start"] < rules["min_new_tokens"]
        scores = ops.where(ops.logical_and(short[:, None], ids == rules["end_id"]), -np.inf, scores)
        uniform, need = (ops.slice(each, (0, place), (each.shape[0], 1))[:, 0] for each in (uniforms, needs))
        scores = processors.keep_form(scores, logits, need, constants["besides"])
        tokens = processors.next_tokens(scores, rules, uniform)
        logprobs = ops.cond(
            constants["logprobs"],
            lambda: processors.log_probabilities(logits, tokens),
            lambda: ops.zeros(tokens.shape, dtype="float32"),
        )
        tokens = ops.where(state["ended"], NOTHING, tokens)
        ended = ops.logical_or(tokens == rules["end_id"], place + 1 >= constants["ends"])
        return {
            **state,
            "runs": processors.grow_runs(state["runs"], history, tokens),
            "history": ops.slice_update(history, (0, place), tokens[:, None]),
            "logprobs": ops.slice_update(state["logprobs"], (0, place), logprobs[:, None]),
            "seen": ops.logical_or(state["seen"], ids == tokens[:, None]),
            "ended": ops.logical_or(state["ended"], ended),
        }

    def _hand_out(self, state, segment: Segment, text: "_Text", done: int, logprobs: bool) -> int:
        """Gives the rows their new tokens; returns how many each has had."""
        ready = int(ops.convert_to_numpy(state["place"])) - segment.width + 1
        new = slice(text.width + done, text.width + ready)
        tokens = ops.convert_to_numpy(state["history"])[:, new]
        values = ops.convert_to_numpy(state["logprobs"])[:, new] if logprobs else None
        for number, row in enumerate(segment.rows):
            for place, token in enumerate(tokens[number].tolist()):
                if row.finish_reason is None:
                    row.take(token, None if values is None else float(values[number, place]))
        return ready


class _Text:
    """What the rows hold so far and what they may take, as arrays `(rows, places)`; all texts end at place `width`."""

    def __init__(self, segment: Segment, settings: Settings, bans: Bans, codec: Codec, vocabulary_size: int):
        rows, size = segment.rows, len(segment.source)
        texts = [row.prompt.ids + row.new for row in rows]
        texts += [texts[0]] * (size - len(rows))
        longest = max(map(len, [*texts, *bans.sequences]))
        # As wide as the prefill, unless a text has outgrown the context.
        self.width = max(segment.width, round_up(longest, PREFILL_STEP))
        self._texts, _ = pad_left(texts, self.width, NOTHING)
        self._offset, self._ngram = self.width - segment.width, settings.no_repeat_ngram
        new = np.zeros(size, dtype=np.int32)
        new[: len(rows)] = [len(row.new) for row in rows]
        left = np.zeros(size, dtype=np.int32)  # the rows that nobody reads end at once
        left[: len(rows)] = [min(row.left, segment.steps) for row in rows]
        self.start = self.width - new
        self._uniforms = np.zeros((size, segment.steps), dtype=np.float32)
        if settings.sampler != "greedy":
            for number, row in enumerate(rows):
                drawn = row.draw.random(left[number])
                # Below 1 in float32 too.
                self._uniforms[number, : left[number]] = np.minimum(drawn, 1 - 2.0**-24)
        besides, self._needs = _plan(rows, size, segment.steps, bans)
        pads = segment.pads if len(segment.pads) == size else np.repeat(segment.pads, size)
        self.constants = {
            "logprobs": np.bool_(settings.logprobs),
            "rules": processors.rules_of(settings, bans, vocabulary_size, codec.end_id),
            "pads": pads,
            "width": np.int32(self.width),
            "offset": np.int32(self._offset),
            "besides": besides,
            "start": self.start,
            "ends": self.width + left,
        }

    def history(self, room: int) -> np.ndarray:
        """int32 `(rows, places)`: the texts, right before the first new token's place, and room."""
        return _padded(self._texts, self._offset + room, NOTHING)

    def runs(self, room: int) -> np.ndarray:
        """See `processors.grow_runs`; nothing looks at it unless n-grams are banned."""
        history = self.history(room)
        return processors.first_runs(history, self.width) if self._ngram else np.zeros_like(history)

    def uniforms(self, room: int) -> np.ndarray:
        """float32 `(rows, places)`: what the token at each place is drawn with."""
        return self._placed(self._uniforms, room)

    def needs(self, room: int) -> np.ndarray:
        """int32 `(rows, places)`: which row of `besides` says what the token at each place must be."""
        return self._placed(self._needs, room)

    def _placed(self, steps: np.ndarray, room: int) -> np.ndarray:
        filled = np.pad(steps, ((0, 0), (self.width, 0)))
        return _padded(filled[:, : self._offset + room], self._offset + room, 0)


def _plan(rows: Sequence[Row], size: int, steps: int, bans: Bans) -> tuple[np.ndarray, np.ndarray]:
    """What will not do, bool `(needs, vocabulary)`, the first where no form is asked for; and the need of each step."""
    places: dict[Need, int] = {}
    needs = np.zeros((size, steps), dtype=np.int32)
    for number, row in enumerate(rows):
        if row.plan is not None:
            left = row.plan[len(row.new) :][:steps]
            needs[number, : len(left)] = [places.setdefault(need, len(places) + 1) for need in left]
    masks = [bans.mask, *map(bans.besides, places)]
    # Few different numbers, since each is another program.
    masks += masks[:1] * (0 if not places else _power_of_two(len(masks)) - len(masks))
    return np.stack(masks), needs


def _length(state, constants):
    """Places of the texts that are filled: the last token is not in the cache yet."""
    return constants["offset"] + state["place"] + 1


def _grown(state: dict[str, Any], by: int) -> dict[str, Any]:
    """The state with more room."""
    state["cache"] = [tuple(ops.pad(part, ((0, 0), (0, 0), (0, by), (0, 0))) for part in one) for one in state["cache"]]
    for name, empty in (("history", NOTHING), ("runs", 0), ("logprobs", 0)):
        state[name] = ops.pad(state[name], ((0, 0), (0, by)), constant_values=empty)
    return state


def _bucket(needed: int, total: int) -> int:
    """Room for so many places: doubled until it is enough, but never much more than there will be in all."""
    room = CAPACITY_STEP
    while room < needed:
        room *= 2
    return min(room, round_up(total, CAPACITY_STEP))


def _power_of_two(value: int) -> int:
    """The least one that is not below a value, nor below 16."""
    return max(16, 1 << (value - 1).bit_length())


def _padded(rows: np.ndarray, width: int, empty: int) -> np.ndarray:
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])), constant_values=empty)
