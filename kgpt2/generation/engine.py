"""The loop: prompts in, generations out, on any runtime."""

import dataclasses
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from kgpt2.errors import RequestError
from kgpt2.generation.processors import (
    NOTHING,
    ban,
    ban_repeated_ngrams,
    ban_sequences,
    log_probabilities,
    next_tokens,
    penalise_repetition,
)
from kgpt2.generation.runtime import CAPACITY_STEP, PREFILL_STEP, Runtime, pad_left, round_up
from kgpt2.generation.settings import Settings

DEFAULT_NEW_TOKENS = 128


class Codec(Protocol):
    """What the engine needs of a tokenizer."""

    start_id: int
    end_id: int
    pad_id: int
    default_bans: tuple[int, ...]
    vocabulary_size: int

    def encode(self, text: str) -> list[int]: ...

    def decode(self, ids: Iterable[int]) -> str: ...


@dataclasses.dataclass(frozen=True)
class Prompt:
    """A prompt ready to be continued.

    Attributes:
        text: as the user gave it.
        ids: the start token and the prompt's.
        max_new_tokens: how many may follow.
    """

    text: str
    ids: list[int]
    max_new_tokens: int


@dataclasses.dataclass(frozen=True)
class Generation:
    """One continuation of one prompt.

    Attributes:
        prompt: as the user gave it.
        index: which of the prompt's continuations.
        text: prompt and completion, without special tokens.
        completion: what was generated; a stop text and what came after it is left out.
        token_ids: from the start token to the last new token; the end token is not included.
        new_tokens: how many tokens were generated, the end token not included.
        finish_reason: "stop" at the end token or a stop text, "length" where the length asked for or the context was
            reached.
        seed: what the draws came from; the same prompt, index and seed give the same text.
        logprobs: the log-probability of each new token under the model; None where it was not asked for.
    """

    prompt: str
    index: int
    text: str
    completion: str
    token_ids: list[int]
    new_tokens: int
    finish_reason: str
    seed: int
    logprobs: list[float] | None = None


@dataclasses.dataclass
class Clock:
    """Seconds spent getting ready (compiling) and generating; never the one in the other."""

    startup: float = 0.0
    generating: float = 0.0
    new_tokens: int = 0


def prepare_prompts(texts: Sequence[str], codec: Codec, context: int, settings: Settings) -> list[Prompt]:
    """Encodes prompts and settles how long each may grow.

    Raises:
        RequestError: a prompt leaves no room for a new token in the context or in max_length.
    """
    prompts = []
    for text in texts:
        ids = [codec.start_id, *codec.encode(text)]
        shown = text if len(text) <= 20 else f"{text[:20]}…"
        if len(ids) >= context:
            raise RequestError(
                f"the prompt {shown!r} has {len(ids)} tokens, start token included; the model's context is {context}\n"
                "shorten the prompt, so that at least one token can follow"
            )
        room = context - len(ids)
        if settings.max_length is not None:
            if len(ids) >= settings.max_length:
                raise RequestError(
                    f"the prompt {shown!r} has {len(ids)} tokens, start token included: "
                    f"a max_length of {settings.max_length} leaves nothing to generate"
                )
            room = min(room, settings.max_length - len(ids))
        elif settings.max_new_tokens is not None and settings.max_new_tokens > room:
            raise RequestError(
                f"max_new_tokens: {settings.max_new_tokens} after the prompt {shown!r} ({len(ids)} tokens) "
                f"is more than the context of {context} holds; at most {room}"
            )
        else:
            room = min(room, settings.max_new_tokens or DEFAULT_NEW_TOKENS)
        prompts.append(Prompt(text, ids, room))
    return prompts


def generate(
    runtime: Runtime, codec: Codec, prompts: Sequence[Prompt], settings: Settings, clock: Clock
) -> Iterator[Generation]:
    """Continues prompts in batches; yields in the order of the prompts, each prompt's continuations together.

    Args:
        runtime: computes the logits.
        codec: the tokenizer.
        prompts: from `prepare_prompts`.
        settings: how to choose tokens.
        clock: is added to.
    """
    for batch in _batches(runtime, codec, prompts, settings, clock):
        began = time.perf_counter()
        for _ in batch.run():
            pass
        clock.generating += time.perf_counter() - began
        clock.new_tokens += sum(len(row.new) for row in batch.rows)
        yield from map(batch.result, batch.rows)


def stream(
    runtime: Runtime, codec: Codec, prompt: Prompt, settings: Settings, clock: Clock
) -> Iterator[str | Generation]:
    """Continues one prompt once; yields its completion piece by piece as it comes, and at last the whole generation.

    No piece ends in half a character, and the pieces together are the completion.
    """
    settings = dataclasses.replace(settings, num_return=1)
    for batch in _batches(runtime, codec, [prompt], settings, clock):
        (row,) = batch.rows
        shown, began = "", time.perf_counter()
        for _ in batch.run():
            settled = batch.settled(row)
            if len(settled) > len(shown):
                clock.generating += time.perf_counter() - began
                yield settled[len(shown) :]
                shown, began = settled, time.perf_counter()
        clock.generating += time.perf_counter() - began
        clock.new_tokens += len(row.new)
        result = batch.result(row)
        if result.completion[len(shown) :]:
            yield result.completion[len(shown) :]
        yield result


def _batches(
    runtime: Runtime, codec: Codec, prompts: Sequence[Prompt], settings: Settings, clock: Clock
) -> Iterator["_Batch"]:
    """The rows in batches, each shape compiled before its batch is handed out."""
    seed = secrets.randbelow(2**32) if settings.seed is None else settings.seed
    rows = [_Row(prompt, index, seed) for prompt in prompts for index in range(settings.num_return)]
    size = min(settings.batch_size, len(rows))
    bans = _Bans(runtime, codec, settings)
    shapes: set[tuple[int, ...]] = set()
    for start in range(0, len(rows), size):
        batch = _Batch(rows[start : start + size], size, runtime, codec, settings, bans)
        if runtime.static_shapes and batch.shape not in shapes:
            shapes.add(batch.shape)
            began = time.perf_counter()
            batch.warm_up()
            clock.startup += time.perf_counter() - began
        yield batch


class _Row:
    """A continuation while it grows."""

    def __init__(self, prompt: Prompt, index: int, seed: int):
        self.prompt, self.index, self.seed = prompt, index, seed
        # A row's draws come from the seed and its index alone: neither its batch nor its place in it matters.
        self.draw = np.random.default_rng([seed, index])
        self.new: list[int] = []
        self.logprobs: list[float] = []
        self.finish_reason: str | None = None


class _Bans:
    """What may not come, settled once for all rows."""

    def __init__(self, runtime: Runtime, codec: Codec, settings: Settings):
        # Ids that no token has are always forbidden.
        self.mask = np.arange(runtime.vocabulary_size) >= codec.vocabulary_size
        if settings.default_bans:
            self.mask[list(codec.default_bans)] = True
        # A word may stand behind a space, which makes other tokens of it.
        texts = [form for text in settings.ban for form in (text, f" {text}")]
        encoded = {tuple(codec.encode(text)) for text in texts}
        self.mask[[ids[0] for ids in encoded if len(ids) == 1]] = True
        self.sequences = [ids for ids in encoded if len(ids) > 1]


class _Batch:
    """Rows that are computed together, prompts padded on the left so that all grow at the same end."""

    def __init__(
        self, rows: Sequence[_Row], size: int, runtime: Runtime, codec: Codec, settings: Settings, bans: _Bans
    ):
        self.rows, self.runtime, self.codec, self.settings, self.bans = rows, runtime, codec, settings, bans
        sources = list(dict.fromkeys(id(row.prompt) for row in rows))
        prompts = {id(row.prompt): row.prompt.ids for row in rows}
        # Continuations of a prompt share its prefill, and double its row of the cache afterwards.
        self.source = np.array([sources.index(id(row.prompt)) for row in rows], dtype=np.int32)
        first = [prompts[source] for source in sources]
        if runtime.static_shapes:  # one number of rows: the last batch is filled up with rows nobody reads
            first = [first[source] for source in self.source]
            first += [first[0]] * (size - len(first))
            self.source = np.arange(len(rows), dtype=np.int32)
        self.width = max(map(len, first))
        self.capacity = self.width + max(row.prompt.max_new_tokens for row in rows)
        if runtime.static_shapes:
            self.width = round_up(self.width, PREFILL_STEP)
            self.capacity = round_up(self.width + max(row.prompt.max_new_tokens for row in rows), CAPACITY_STEP)
        self.token_ids, self.pads = pad_left(first, self.width, codec.pad_id)

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.token_ids), self.width, self.capacity

    def warm_up(self) -> None:
        """Compiles what the batch's shape needs by running it once."""
        _, cache = self.runtime.prefill(self.token_ids, self.pads, self.capacity)
        self.runtime.step(self.token_ids[:, -1], np.arange(len(self.token_ids), dtype=np.int32), cache)

    def run(self) -> Iterator[None]:
        """Grows every row to its end; yields after each token."""
        logits, cache = self.runtime.prefill(self.token_ids, self.pads, self.capacity)
        places, growing = self.source, np.arange(len(self.rows))  # rows of the cache, and the rows they belong to
        history = np.full((len(self.rows), self.capacity), NOTHING, dtype=np.int32)
        for number, row in enumerate(self.rows):
            history[number, self.width - len(row.prompt.ids) : self.width] = row.prompt.ids
        for length in range(self.width, self.capacity):
            tokens = self._choose(logits[places], history[growing, :length], growing)
            history[growing, length] = tokens
            for number, token in zip(growing, tokens, strict=True):
                self._take(self.rows[number], int(token))
            yield
            alive = np.array([self.rows[number].finish_reason is None for number in growing])
            if not alive.any():
                return
            if self.runtime.static_shapes:
                fed = np.full(len(self.token_ids), self.codec.pad_id, dtype=np.int32)
                fed[growing] = tokens
                logits, cache = self.runtime.step(fed, np.arange(len(fed), dtype=np.int32), cache)
                growing = growing[alive]
                places = growing
            else:
                logits, cache = self.runtime.step(tokens[alive].astype(np.int32), places[alive], cache)
                growing = growing[alive]
                places = np.arange(len(growing))

    def _choose(self, logits: np.ndarray, history: np.ndarray, growing: np.ndarray) -> np.ndarray:
        settings, rows = self.settings, [self.rows[number] for number in growing]
        scores = penalise_repetition(logits, history, settings.repetition_penalty)
        scores = ban_repeated_ngrams(scores, history, settings.no_repeat_ngram)
        scores = ban_sequences(scores, history, self.bans.sequences)
        scores = ban(scores, self.bans.mask)
        short = np.array([len(row.new) < settings.min_new_tokens for row in rows])
        if short.any():
            scores[short, self.codec.end_id] = -np.inf
        tokens = next_tokens(scores, settings, [row.draw for row in rows])
        if settings.logprobs:
            for row, value in zip(rows, log_probabilities(logits, tokens), strict=True):
                row.logprobs.append(float(value))
        return tokens

    def _take(self, row: _Row, token: int) -> None:
        """Adds a token to a row; the end token ends it and is not kept."""
        if token == self.codec.end_id:
            row.finish_reason = "stop"
            return
        row.new.append(token)
        if self.settings.stop and _first_stop(self._completion(row), self.settings.stop) is not None:
            row.finish_reason = "stop"
        elif len(row.new) == row.prompt.max_new_tokens:
            row.finish_reason = "length"

    def _completion(self, row: _Row) -> str:
        """The text of new tokens as it reads after the prompt (a word after a word gets its space)."""
        ids = row.prompt.ids
        before, whole = self.codec.decode(ids), self.codec.decode(ids + row.new)
        return whole.removeprefix(before) if whole.startswith(before) else self.codec.decode(row.new)

    def settled(self, row: _Row) -> str:
        """The part of a growing completion that no later token can change."""
        text = self._completion(row)
        stop = _first_stop(text, self.settings.stop)
        if stop is not None:
            return text[:stop]
        text = text.rstrip("\ufffd")  # half a character of a byte-level vocabulary
        longest = max(map(len, self.settings.stop), default=1)
        for size in range(min(longest - 1, len(text)), 0, -1):
            if any(stop.startswith(text[-size:]) for stop in self.settings.stop):
                return text[:-size]
        return text

    def result(self, row: _Row) -> Generation:
        """A row as the caller gets it."""
        completion = self._completion(row)
        stop = _first_stop(completion, self.settings.stop)
        completion = completion if stop is None else completion[:stop]
        return Generation(
            prompt=row.prompt.text,
            index=row.index,
            text=row.prompt.text + completion,
            completion=completion,
            token_ids=row.prompt.ids + row.new,
            new_tokens=len(row.new),
            finish_reason=row.finish_reason or "length",
            seed=row.seed,
            logprobs=row.logprobs[: len(row.new)] if self.settings.logprobs else None,
        )


def _first_stop(text: str, stops: Sequence[str]) -> int | None:
    """Where the first stop text begins; None where none is there."""
    return min((place for place in map(text.find, stops) if place >= 0), default=None)
