"""The runtime on the Keras backend: prefill, step and the whole loop, compiled once for each shape."""

import dataclasses
from typing import Any

import keras
import keras_hub
import numpy as np
from keras import ops

from kgpt2.generation.keras.loop import CompiledLoop
from kgpt2.generation.keras.network import Cache, Network
from kgpt2.generation.keras.programs import Programs


@dataclasses.dataclass
class _State:
    """The cache, the weights it was made with, the padding of each row, and the places filled."""

    cache: Cache
    weights: dict[str, Any]
    pads: np.ndarray
    filled: int


class KerasRuntime:
    """A KerasHub GPT-2 as a `Runtime`.

    Args:
        task: its weights are read at each prefill, so they may be trained between calls.
        distribution: the devices that share the rows of a batch (JAX), which hold the task's variables each; None: one.
    """

    static_shapes = True

    def __init__(
        self, task: keras_hub.models.GPT2CausalLM, distribution: keras.distribution.DataParallel | None = None
    ):
        self._backbone = task.backbone
        self._network = Network(task.backbone)
        self._programs = Programs(task.backbone, distribution)
        self.row_multiple = 1 if distribution is None else distribution.device_mesh.shape[0]
        self.context, self.vocabulary_size = self._network.context, self._network.vocabulary_size
        # torch computes as it goes, so that there is no loop to compile.
        self.loop = None if keras.config.backend() == "torch" else CompiledLoop(self._network, self._programs)

    @property
    def compilations(self) -> int:
        return self._programs.count

    @property
    def compile_seconds(self) -> float:
        return self._programs.seconds

    def prefill(self, token_ids: np.ndarray, pads: np.ndarray, capacity: int) -> tuple[np.ndarray, Any]:
        weights = self._programs.read(self._network.weights)
        arguments = (weights, *self._programs.spread((token_ids.astype("int32"), pads.astype("int32"))))
        logits, cache = self._programs.call(self._network.prefill, *arguments, static=(capacity,), idle=arguments)
        return self._out(logits), _State(cache, weights, pads.astype("int32"), token_ids.shape[1])

    def step(self, token_ids: np.ndarray, rows: np.ndarray, cache: _State) -> tuple[np.ndarray, Any]:
        state = cache
        pads, layers = state.pads[rows], state.cache
        if not np.array_equal(rows, np.arange(len(state.pads))):
            layers = self._programs.call(_reordered, layers, rows.astype("int32"))
        tokens, layers = self._programs.spread((token_ids.astype("int32"), layers))
        arguments = (state.weights, tokens, pads, np.int32(state.filled), layers)
        logits, layers = self._programs.call(self._network.step, *arguments, donate=4, idle=arguments)
        return self._out(logits), _State(layers, state.weights, pads, state.filled + 1)

    def logits(self, token_ids: np.ndarray, pads: np.ndarray) -> np.ndarray:
        backbone = self._backbone
        width = token_ids.shape[1]
        # KerasHub counts positions from the first place, so the padding goes to the right, and back again.
        shifted = np.stack([np.roll(row, -pad) for row, pad in zip(token_ids, pads, strict=True)]).astype("int32")
        mask = (np.arange(width)[None] < width - pads[:, None]).astype("int32")
        hidden = backbone({"token_ids": shifted, "padding_mask": mask})
        logits = ops.convert_to_numpy(ops.cast(backbone.token_embedding(hidden, reverse=True), "float32"))
        return np.stack([np.roll(row, pad, axis=0) for row, pad in zip(logits, pads, strict=True)])

    def _out(self, logits) -> np.ndarray:
        return np.asarray(ops.convert_to_numpy(logits))


def all_devices() -> keras.distribution.DataParallel | None:
    """The devices of this process, to share the rows of batches (JAX); None where there is one."""
    if keras.config.backend() != "jax":
        return None
    devices = keras.distribution.list_devices()
    return keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False) if len(devices) > 1 else None


def _reordered(cache: Cache, rows) -> Cache:
    return [tuple(ops.take(part, rows, axis=0) for part in layer) for layer in cache]
