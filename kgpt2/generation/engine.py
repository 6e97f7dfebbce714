"""The loop: prompts in, generations out, on any runtime."""

import dataclasses
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from kgpt2.errors import RequestError
from kgpt2.generation.processors import ban, ban_repeated_ngrams, next_tokens
from kgpt2.generation.runtime import Runtime
from kgpt2.generation.settings import Settings

DEFAULT_NEW_TOKENS = 128
# Shapes are rounded up to these, so that prompts of different lengths meet programs that are compiled already.
PREFILL_STEP, CAPACITY_STEP = 16, 64


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
        completion: what was generated.
        token_ids: from the start token to the last new token; the end token is not included.
        new_tokens: how many tokens were generated, the end token not included.
        finish_reason: "stop" at the end token, "length" where the length asked for or the context was reached.
        seed: what the draws came from; the same prompt, index and seed give the same text.
    """

    prompt: str
    index: int
    text: str
    completion: str
    token_ids: list[int]
    new_tokens: int
    finish_reason: str
    seed: int


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
    seed = secrets.randbelow(2**32) if settings.seed is None else settings.seed
    rows = [(prompt, index) for prompt in prompts for index in range(settings.num_return)]
    shapes: set[tuple[int, int, int]] = set()
    banned = _banned(runtime, codec, settings)
    size = min(settings.batch_size, len(rows))
    for start in range(0, len(rows), size):
        batch = rows[start : start + size]
        state = _BatchState(batch, size, codec, runtime.context, seed)
        if state.shape not in shapes:
            shapes.add(state.shape)
            clock.startup += _warm_up(runtime, state)
        began = time.perf_counter()
        _run(runtime, state, settings, codec.end_id, banned)
        clock.generating += time.perf_counter() - began
        clock.new_tokens += sum(len(new) for new in state.new)
        yield from state.generations(codec)


class _BatchState:
    """The rows of one batch while they grow; rows beyond the last prompt fill the batch and are done from the start."""

    def __init__(self, rows: Sequence[tuple[Prompt, int]], size: int, codec: Codec, context: int, seed: int):
        self.rows, self.seed = rows, seed
        prompts = [prompt for prompt, _ in rows]
        lengths = [len(prompt.ids) for prompt in prompts]
        self.first = min(lengths)
        self.last = max(len(prompt.ids) + prompt.max_new_tokens for prompt in prompts)
        self.capacity = min(_round_up(self.last, CAPACITY_STEP), context)
        self.width = min(_round_up(max(lengths), PREFILL_STEP), self.capacity)
        self.tokens = np.full((size, self.capacity), codec.pad_id, dtype=np.int32)
        for row, prompt in enumerate(prompts):
            self.tokens[row, : len(prompt.ids)] = prompt.ids
        filler = size - len(rows)
        self.lengths = np.array(lengths + [self.first] * filler)
        self.ends = np.array([len(prompt.ids) + prompt.max_new_tokens for prompt in prompts] + [self.first] * filler)
        self.done = np.array([False] * len(rows) + [True] * filler)
        self.stopped = np.zeros(size, dtype=bool)
        self.new: list[list[int]] = [[] for _ in range(size)]
        # A row's draws come from the seed and its index alone: neither its batch nor its place in it matters.
        self.draws = [np.random.default_rng([seed, index]) for _, index in rows]
        self.draws += [np.random.default_rng(seed) for _ in range(filler)]

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.tokens), self.width, self.capacity

    def append(self, rows: np.ndarray, tokens: np.ndarray, position: int, end_id: int) -> None:
        """Takes the tokens chosen for some rows at a position; the end token ends a row and is not kept."""
        for row, token in zip(rows, tokens, strict=True):
            self.stopped[row] = token == end_id
            if not self.stopped[row]:
                self.tokens[row, position] = token
                self.new[row].append(int(token))
        self.done[rows] = self.stopped[rows] | (position + 1 >= self.ends[rows])

    def generations(self, codec: Codec) -> Iterator[Generation]:
        for row, (prompt, index) in enumerate(self.rows):
            completion = _completion(codec, prompt.ids, self.new[row])
            yield Generation(
                prompt=prompt.text,
                index=index,
                text=prompt.text + completion,
                completion=completion,
                token_ids=prompt.ids + self.new[row],
                new_tokens=len(self.new[row]),
                finish_reason="stop" if self.stopped[row] else "length",
                seed=self.seed,
            )


def _run(runtime: Runtime, state: _BatchState, settings: Settings, end_id: int, banned: np.ndarray) -> None:
    """Grows every row to its end; a row with a longer prompt is fed from it until it is through."""
    logits, cache = runtime.prefill(state.tokens[:, : state.width], state.first, state.capacity)
    for position in range(state.first, state.last):
        rows = np.flatnonzero((position >= state.lengths) & ~state.done)
        if len(rows):
            allowed = ban(logits[rows], banned)
            allowed = ban_repeated_ngrams(allowed, state.tokens[rows, :position], settings.no_repeat_ngram)
            tokens = next_tokens(allowed, settings, [state.draws[row] for row in rows])
            state.append(rows, tokens, position, end_id)
        if state.done.all():
            break
        logits, cache = runtime.step(state.tokens[:, position], position, cache)


def _warm_up(runtime: Runtime, state: _BatchState) -> float:
    """Compiles what the batch's shape needs by running it once; returns the seconds."""
    began = time.perf_counter()
    _, cache = runtime.prefill(state.tokens[:, : state.width], state.first, state.capacity)
    runtime.step(state.tokens[:, state.first], state.first, cache)
    return time.perf_counter() - began


def _banned(runtime: Runtime, codec: Codec, settings: Settings) -> np.ndarray:
    """A mask `(vocabulary,)` of the tokens that must not be chosen; ids that no token has are always among them."""
    mask = np.arange(runtime.vocabulary_size) >= codec.vocabulary_size
    if settings.default_bans:
        mask[list(codec.default_bans)] = True
    return mask


def _completion(codec: Codec, prompt_ids: list[int], new_ids: list[int]) -> str:
    """The text of new tokens as it reads after the prompt (a word after a word gets its space)."""
    before, whole = codec.decode(prompt_ids), codec.decode(prompt_ids + new_ids)
    return whole.removeprefix(before) if whole.startswith(before) else codec.decode(new_ids)


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step
