"""The runtime on CPUs: an OpenVINO graph, compiled once for a model and kept on disk for the next process."""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.checkpoints.tensors import read_all
from kgpt2.conversion.openvino.library import ov
from kgpt2.generation.openvino import cache as compiled_cache
from kgpt2.generation.openvino.graph import REVISION, build_graph
from kgpt2.generation.runtime import pad_left, pad_right
from kgpt2.processor import decoding, features

_HIDDEN = np.float32(-3e38)
Logits = NDArray[np.float32]


@dataclasses.dataclass
class _Cache:
    """The request whose own cache it is, the padding of each row, and how many places are filled.

    A prefill begins with a request of its own, which takes no time worth a pool, and so each reader has its own state.
    """

    request: ov.InferRequest
    pads: NDArray[np.int32]
    filled: int


class OpenVinoRuntime:
    """A checkpoint as a `Runtime`; neither Keras nor its backends are imported.

    Args:
        checkpoint: as `checkpoints.names.read_model` gives it.
        dtype: float32, bfloat16, int8 or int4.

    Raises:
        RequestError: the weights are broken or do not fit the network.
    """

    compile_seconds = 0.0  # compiled before the first call
    loop = None  # the host takes each step
    joins = True

    def __init__(self, checkpoint: Checkpoint, dtype: str = "float32"):
        self.context = checkpoint.shape.max_sequence_length
        self.vocabulary_size = checkpoint.shape.vocabulary_size
        self.compilations = 0
        self._no_target = list(checkpoint.tokenizer.prompt_ids)  # no text holds them
        self._model = self._compiled(checkpoint, dtype)

    def prefill(self, prompts: Sequence[Sequence[int]], capacity: int, rows: int) -> tuple[Logits, _Cache]:
        token_ids, pads = pad_left(prompts, max(map(len, prompts)))
        return self._run(token_ids, np.arange(len(prompts), dtype=np.int32), self._empty(pads))

    def step(self, token_ids: NDArray[np.int32], rows: NDArray[np.int32], cache: _Cache) -> tuple[Logits, _Cache]:
        # Whatever row a new one is put behind, all that lies there is padding to it.
        pads = np.where(rows < 0, np.int32(cache.filled), cache.pads[rows])
        goes_on = np.maximum(rows, 0).astype(np.int32)
        return self._run(token_ids, goes_on, dataclasses.replace(cache, pads=pads))

    def logits(self, texts: Sequence[Sequence[int]]) -> Logits:
        token_ids = pad_right(texts, max(map(len, texts)))
        rows = np.arange(len(texts), dtype=np.int32)
        return self._infer(token_ids, rows, self._empty(np.zeros_like(rows)), tail=token_ids.shape[1])

    def _empty(self, pads: NDArray[np.int32]) -> _Cache:
        return _Cache(self._model.create_infer_request(), pads, 0)

    def _run(self, token_ids: NDArray[np.int32], rows: NDArray[np.int32], cache: _Cache) -> tuple[Logits, _Cache]:
        logits = self._infer(token_ids, rows, cache, tail=1)[:, 0]
        return logits, dataclasses.replace(cache, filled=cache.filled + token_ids.shape[1])

    def _infer(self, token_ids: NDArray[np.int32], rows: NDArray[np.int32], cache: _Cache, tail: int) -> Logits:
        places = cache.filled + np.arange(token_ids.shape[1], dtype=np.int32)
        positions = np.maximum(places[None] - cache.pads[:, None], 0)
        inputs = {
            "token_ids": np.ascontiguousarray(token_ids, np.int32),
            "positions": positions,
            "mask": _mask(places, cache.pads),
            "rows": rows,
            "tail": np.array([tail], np.int32),
        }
        # A copy: the request writes the next logits into the same memory.
        logits: Logits = cache.request.infer(inputs, share_inputs=True, share_outputs=True)[0].copy()
        logits[..., self._no_target] = -np.inf
        return logits

    def _compiled(self, checkpoint: Checkpoint, dtype: str) -> ov.CompiledModel:
        how = decoding(dtype, features())
        core = ov.Core()
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": how.precision,
            "KV_CACHE_PRECISION": "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(how.group),
            "INFERENCE_NUM_THREADS": str(os.cpu_count() or 1),
        }
        processor = core.get_property("CPU", "FULL_DEVICE_NAME")
        key = compiled_cache.key_of(checkpoint, str(REVISION), ov.get_version(), processor, repr(how))
        stored = compiled_cache.load(key)
        if stored is not None:
            try:
                self._mapped = ov.Tensor(stored, shared_memory=True)  # its memory is the compiled model's
                return core.import_model(self._mapped, "CPU", settings)
            except RuntimeError:
                compiled_cache.drop(key)  # broken, or of another build: made anew below
        with checkpoint.open_weights() as tensors:
            arrays = dict(read_all(tensors, str(checkpoint.folder)))
            graph = build_graph(checkpoint.shape, arrays, how.weights, how.pieces)
        compiled = core.compile_model(graph, "CPU", settings)
        self.compilations += 1
        compiled_cache.store(key, compiled.export_model())
        return compiled


def _mask(places: NDArray[np.int32], pads: NDArray[np.int32]) -> Logits:
    """What each place may look at, added to the scores: itself and what lies before it, but no padding.

    Places `(length,)` and padding `(rows,)` to float32 `(rows, 1, length, cached + length)`.
    """
    keys = np.arange(places[-1] + 1)
    hidden = (keys > places[:, None])[None] | (keys < pads[:, None, None])
    hidden &= keys != places[:, None]  # a padding place sees itself: a softmax over nothing would be NaN
    return np.where(hidden, _HIDDEN, np.float32(0))[:, None]
