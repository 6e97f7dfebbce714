"""A model that writes: `kgpt2.load(MODEL)`, and what can be asked of it."""

import contextlib
import dataclasses
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.checkpoints.names import read_model
from kgpt2.data.example import Example, Report
from kgpt2.data.reading import Reader
from kgpt2.errors import RequestError
from kgpt2.generation import engine
from kgpt2.generation.engine import Clock, Generation, prepare_prompts
from kgpt2.generation.processors import log_probabilities
from kgpt2.generation.prompts import reader_of
from kgpt2.generation.rows import Prompt
from kgpt2.generation.runtime import Runtime
from kgpt2.generation.settings import Settings

RUNTIMES = ("auto", "openvino", "keras")
DTYPES = ("float32", "bfloat16", "int8", "int4")
_ACCELERATORS = ("/dev/nvidia0", "/dev/accel0", "/dev/kfd")


@dataclasses.dataclass(frozen=True)
class Score:
    """How probable a text is to the model.

    Attributes:
        text: as given.
        token_ids: start token, text, end token.
        logprobs: the log-probability of each token after the start token, the end token included.
    """

    text: str
    token_ids: list[int]
    logprobs: list[float]

    @property
    def loss(self) -> float:
        """The mean over its targets, in nats."""
        return -sum(self.logprobs) / len(self.logprobs)


class LanguageModel:
    """A checkpoint, its tokenizer and a runtime that computes it.

    Args:
        checkpoint: as `checkpoints.names.read_model` gives it.
        runtime: computes the logits.
    """

    def __init__(self, checkpoint: Checkpoint, runtime: Runtime):
        self.checkpoint, self.runtime, self.tokenizer = checkpoint, runtime, checkpoint.tokenizer
        self._read_prompt, self._reader = reader_of(checkpoint), Reader(checkpoint.tokenizer)

    def prepare(self, texts: Sequence[str], settings: Settings) -> list[Prompt]:
        """Prompts as the engine takes them; errors as those of `generate`."""
        return prepare_prompts(texts, self.tokenizer, self.runtime.context, settings, self._read_prompt)

    def generate(
        self, prompts: str | Sequence[str], settings: Settings | None = None, clock: Clock | None = None, **changes
    ) -> list[Generation]:
        """Continues prompts; each prompt's continuations lie together, in the order of the prompts.

        Args:
            prompts: one or several.
            settings: None: the defaults of `Settings`.
            clock: is added to.
            **changes: fields of `Settings`, instead of those in `settings`.

        Raises:
            RequestError: a setting will not do, or a prompt leaves no room.
        """
        settings = dataclasses.replace(settings or Settings(), **changes)
        ready = self.prepare([prompts] if isinstance(prompts, str) else prompts, settings)
        return list(engine.generate(self.runtime, self.tokenizer, ready, settings, clock or Clock()))

    def stream(
        self, prompt: str, settings: Settings | None = None, clock: Clock | None = None, **changes
    ) -> Iterator[str]:
        """The completion of one prompt, piece by piece as it comes; arguments and errors as those of `generate`."""
        settings = dataclasses.replace(settings or Settings(), **changes)
        (ready,) = self.prepare([prompt], settings)
        for piece in engine.stream(self.runtime, self.tokenizer, ready, settings, clock or Clock()):
            if isinstance(piece, str):
                yield piece

    def score(self, texts: str | Sequence[str], as_typed: bool = False) -> list[Score]:
        """The log-probability of every token of texts.

        Args:
            texts: one or several.
            as_typed: read them as they are, also where the model knows another form of a mark or character.

        Raises:
            RequestError: a text is longer than the context.
        """
        texts = [texts] if isinstance(texts, str) else texts
        tokenizer = self.tokenizer
        read = texts if as_typed else [self._reader.example(Example(text), Report()).text for text in texts]
        rows = [[tokenizer.start_id, *tokenizer.encode(text), tokenizer.end_id] for text in read]
        for text, row in zip(texts, rows, strict=True):
            if len(row) - 1 > self.runtime.context:
                raise RequestError(f"{text[:20]!r}… has {len(row)} tokens, the context is {self.runtime.context}")
        scores = []
        for text, row in zip(texts, rows, strict=True):
            inputs = np.array([row[:-1]], dtype=np.int32)
            logits = self.runtime.logits(inputs, np.zeros(1, dtype=np.int32))[0]
            values = log_probabilities(logits, np.array(row[1:]))
            scores.append(Score(text, row, values.tolist()))
        return scores


def load(model: str | Path, dtype: str = "float32", runtime: str = "auto") -> LanguageModel:
    """Loads a model to write with.

    Args:
        model: any MODEL: a name, `hf://org/name`, or a folder.
        dtype: float32, bfloat16, int8 or int4; the last two keep the weights so and compute in float32 (OpenVINO only).
        runtime: openvino, keras, or auto: OpenVINO on a CPU, Keras where there is an accelerator.

    Raises:
        RequestError: the model is not there, is broken, or the runtime cannot do it.
        WorkError: it has to be downloaded and cannot be.
    """
    return open_runtime(read_model(str(model)), dtype, runtime)


def open_runtime(checkpoint: Checkpoint, dtype: str = "float32", runtime: str = "auto") -> LanguageModel:
    """A checkpoint on a runtime; arguments and errors as those of `load`."""
    for name, value, known in (("dtype", dtype, DTYPES), ("runtime", runtime, RUNTIMES)):
        if value not in known:
            raise RequestError(f"{name}: {value!r} is not one of {', '.join(known)}")
    if choose_runtime(dtype, runtime) == "openvino":
        from kgpt2.generation.openvino_runtime import OpenVinoRuntime

        return LanguageModel(checkpoint, OpenVinoRuntime(checkpoint, dtype))
    with checkpoint.open_weights():
        pass  # broken files are found before the seconds that Keras takes
    from kgpt2.models import load_task  # first: it brings Keras up the quiet way

    from kgpt2.generation.keras_runtime import KerasRuntime, all_devices  # isort: skip

    distribution = all_devices()
    with distribution.scope() if distribution else contextlib.nullcontext():
        task = load_task(checkpoint, dtype=dtype)
    return LanguageModel(checkpoint, KerasRuntime(task, distribution))


def choose_runtime(dtype: str, runtime: str) -> str:
    """openvino or keras, for what was asked.

    Raises:
        RequestError: the runtime cannot do the dtype, or is not installed.
    """
    installed = importlib.util.find_spec("openvino") is not None
    small = dtype in ("int8", "int4")
    if runtime == "keras" and small:
        raise RequestError(f"dtype: {dtype} is for the openvino runtime; with --runtime keras use float32 or bfloat16")
    if runtime == "openvino" or small:
        if not installed:
            raise RequestError("runtime: OpenVINO is not installed here\npip install openvino, or use --runtime keras")
        return "openvino"
    accelerated = any(Path(device).exists() for device in _ACCELERATORS)
    return "openvino" if runtime == "auto" and installed and not accelerated else "keras"
