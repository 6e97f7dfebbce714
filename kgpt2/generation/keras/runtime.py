"""The runtime on the Keras backend: prefill, step and the whole loop, compiled once for each rounded shape."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import keras_hub
import numpy as np
from keras import ops
from numpy.typing import NDArray

from kgpt2.checkpoints.special_tokens import prompt_ids_in
from kgpt2.generation.keras.loop import CompiledLoop
from kgpt2.generation.keras.network import Cache, Network, Weights
from kgpt2.generation.keras.programs import Programs
from kgpt2.generation.keras.shapes import CAPACITY_STEP, PREFILL_STEP, ROWS_STEP, round_up
from kgpt2.generation.runtime import pad_left, pad_right

Logits = NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class _State:
    """A cache in as many rows as the program has, of which the caller's may be fewer and in another order.

    Attributes:
        cache: keys and values.
        weights: those it was made with.
        pads: int32 `(rows of the cache,)`, the padding of each.
        filled: places filled.
        order: int32, for each row of the caller's, which row of the cache it is.
        size: rows that every step has.
    """

    cache: Cache
    weights: Weights
    pads: NDArray[np.int32]
    filled: int
    order: NDArray[np.int32]
    size: int


class KerasRuntime:
    """A KerasHub GPT-2 as a `Runtime`.

    Args:
        task: its weights are read at each prefill, so they may be trained between calls.
        distribution: the devices that share the rows of a batch (JAX), which hold the task's variables each; None: one.
    """

    joins = False

    def __init__(
        self, task: keras_hub.models.GPT2CausalLM, distribution: keras.distribution.DataParallel | None = None
    ):
        self._backbone = task.backbone
        tokens = task.preprocessor.tokenizer.get_vocabulary() if task.preprocessor else []
        self._network = Network(task.backbone, prompt_ids_in({token: index for index, token in enumerate(tokens)}))
        self._programs = Programs(task.backbone, distribution)
        self.context, self.vocabulary_size = self._network.context, self._network.vocabulary_size
        # torch computes as it goes, so that there is no loop to compile.
        self.loop: Callable[..., Iterator[None]] | None = None
        if keras.config.backend() != "torch":
            self.loop = CompiledLoop(self._network, self._programs).run

    @property
    def compilations(self) -> int:
        return self._programs.count

    @property
    def compile_seconds(self) -> float:
        return self._programs.seconds

    def prefill(self, prompts: Sequence[Sequence[int]], capacity: int, rows: int) -> tuple[Logits, _State]:
        size, count = round_up(rows, self._programs.row_multiple), len(prompts)
        # As many rows as are read, where every call of its kind reads so many: beams begin as one row for each prompt.
        wanted = count if size % count == 0 else size
        longest = round_up(max(map(len, prompts)), PREFILL_STEP)
        token_ids, pads = pad_left([*prompts, *[prompts[0]] * (wanted - count)], longest)
        room = round_up(capacity - max(map(len, prompts)) + longest, CAPACITY_STEP)
        weights = self._programs.read(self._network.weights)
        arguments = (weights, *self._programs.spread((token_ids, pads)))
        logits, cache = self._programs.call(self._network.prefill, *arguments, static=(room,), idle=arguments)
        order = np.arange(count, dtype=np.int32)
        return _numpy(logits)[:count], _State(cache, weights, pads, longest, order, size)

    def step(self, token_ids: NDArray[np.int32], rows: NDArray[np.int32], cache: _State) -> tuple[Logits, _State]:
        # One after the other: another number of tokens would be another program.
        for tokens in token_ids.T:
            logits, cache = self._step(tokens, rows, cache)
            rows = np.arange(len(rows), dtype=np.int32)
        return logits, cache

    def _step(self, token_ids: NDArray[np.int32], rows: NDArray[np.int32], cache: _State) -> tuple[Logits, _State]:
        state, order = _in_place(cache, cache.order[rows], self._programs)
        fed = np.zeros(state.size, dtype=np.int32)
        fed[order] = token_ids
        tokens, layers = self._programs.spread((fed, state.cache))
        arguments = (state.weights, tokens, state.pads, np.int32(state.filled), layers)
        logits, layers = self._programs.call(self._network.step, *arguments, donate=4, idle=arguments)
        return _numpy(logits)[order], dataclasses.replace(state, cache=layers, filled=state.filled + 1, order=order)

    def logits(self, texts: Sequence[Sequence[int]]) -> Logits:
        width = max(map(len, texts))
        rows = len(texts) if len(texts) < ROWS_STEP else round_up(len(texts), ROWS_STEP)
        rounded = min(round_up(width, PREFILL_STEP), self.context)
        token_ids = pad_right([*texts, *[texts[0]] * (rows - len(texts))], rounded)
        lengths = np.array([len(text) for text in texts] + [len(texts[0])] * (rows - len(texts)))
        mask = (np.arange(rounded)[None] < lengths[:, None]).astype("int32")
        hidden = self._backbone({"token_ids": token_ids, "padding_mask": mask})
        logits = self._backbone.token_embedding(hidden, reverse=True)
        return _numpy(self._network.without_prompt(logits))[: len(texts), :width]


def all_devices() -> keras.distribution.DataParallel | None:
    """The devices of this process, to share the rows of batches (JAX); None where there is one."""
    if keras.config.backend() != "jax":
        return None
    devices = keras.distribution.list_devices()
    return keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False) if len(devices) > 1 else None


def _in_place(state: _State, order: NDArray[np.int32], programs: Programs) -> tuple[_State, NDArray[np.int32]]:
    """The state with a row of the cache for each of the rows in `order`, and which one; rows move only if they must."""
    if len(state.pads) == state.size and len(np.unique(order)) == len(order):
        return state, order
    moved = np.zeros(state.size, dtype=np.int32)
    moved[: len(order)] = order
    layers = programs.call(_reordered, state.cache, moved)
    return (
        dataclasses.replace(state, cache=layers, pads=state.pads[moved]),
        np.arange(len(order), dtype=np.int32),
    )


def _reordered(cache: Cache, rows: Any) -> Cache:
    return [(ops.take(keys, rows, axis=0), ops.take(values, rows, axis=0)) for keys, values in cache]


def _numpy(logits: Any) -> Logits:
    return np.asarray(ops.convert_to_numpy(logits))
