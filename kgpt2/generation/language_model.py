"""A model that writes: `kgpt2.load(MODEL)`, and what can be asked of it."""

import contextlib
import dataclasses
import importlib.util
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.checkpoints.names import read_model, spelled
from kgpt2.checkpoints.special_tokens import SpecialTokens
from kgpt2.config.settings import Settings
from kgpt2.config.values import as_text, as_texts
from kgpt2.data.example import Example, Report
from kgpt2.data.reading import Reader
from kgpt2.errors import Note, RequestError, near, quoted
from kgpt2.extras import require_installed
from kgpt2.generation.decoder import Decoder
from kgpt2.generation.generate import Clock, generate, stream
from kgpt2.generation.keywords import with_keywords
from kgpt2.generation.processors import log_probabilities
from kgpt2.generation.prompts import prepare_prompts, reader_of
from kgpt2.generation.rows import Generations, Prompt
from kgpt2.generation.runtime import Runtime
from kgpt2.processor import FASTEST

RUNTIMES = ("auto", "openvino", "keras")
DTYPES = ("float32", "bfloat16", "int8", "int4", "auto")
_ACCELERATORS = ("/dev/nvidia0", "/dev/accel0", "/dev/kfd")


@dataclasses.dataclass(frozen=True, repr=False)
class Score:
    """How probable a text is to the model.

    Attributes:
        text: as given.
        token_ids: start token and tuned prompt, text, end token.
        logprobs: the log-probability of each token of the text, and of the end token.
    """

    text: str
    token_ids: list[int]
    logprobs: list[float]

    @property
    def loss(self) -> float:
        """The mean over its targets, in nats."""
        return -sum(self.logprobs) / len(self.logprobs)

    def __repr__(self) -> str:
        return f"<Score {quoted(self.text, 20)}: loss {self.loss:.4f} over {len(self.logprobs)} targets>"


class LanguageModel:
    """A checkpoint, its tokenizer and a runtime that computes it.

    Several threads may read it at once, and calls may be made while a stream is being read: each gives what it gives
    alone.

    Args:
        checkpoint: as `checkpoints.names.read_model` gives it.
        runtime: computes the logits.
    """

    def __init__(self, checkpoint: Checkpoint, runtime: Runtime):
        self.checkpoint, self.runtime, self.tokenizer = checkpoint, runtime, checkpoint.tokenizer
        self._read_prompt, self._reader = reader_of(checkpoint), Reader(checkpoint.tokenizer)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise RequestError(
            "a LanguageModel cannot be copied or pickled: its weights are in the runtime\n"
            f"load it by name where it is wanted: kgpt2.load({str(self.checkpoint.folder)!r})"
        )

    def __repr__(self) -> str:
        shape, folder = self.checkpoint.shape, self.checkpoint.folder.absolute()
        name = folder.parent.name if folder.name == "preset" else folder.name  # of a run
        return (
            f"<LanguageModel {name!r}: {shape.num_layers} layers of width {shape.hidden_dim}, "
            f"{shape.vocabulary_size:,} tokens, context {self.runtime.context}>"
        )

    def prepare(self, texts: Iterable[str], settings: Settings) -> list[Prompt]:
        """Prompts as the decoder takes them; errors as those of `generate`."""
        return prepare_prompts(texts, self.tokenizer, self.runtime.context, settings, self._read_prompt)

    def decoder(self, settings: Settings) -> Decoder:
        """What this model decodes with under these settings."""
        return Decoder(self.runtime, self.tokenizer, settings)

    @with_keywords(Settings)
    def generate(self, prompts: str | Iterable[str], settings: Settings) -> Generations:
        """Continues prompts; each prompt's continuations lie together, in the order of the prompts.

        Args:
            prompts: one or several.
            settings: None: the defaults of `Settings`; every setting is a keyword too, and a keyword wins.

        Raises:
            RequestError: a setting will not do, a prompt is no text, or it leaves no room.

        Example:
            >>> lm = kgpt2.load("mini_zh")
            >>> [generation] = lm.generate("春风", form="五绝", seed=1)
            >>> len(str(generation))
            24
        """
        ready = self.prepare(as_texts("prompts", prompts), settings)
        _tell(ready)
        return Generations(generate(self.decoder(settings), ready, Clock()))

    @with_keywords(Settings)
    def stream(self, prompt: str, settings: Settings) -> Iterator[str]:
        """The completion of one prompt, piece by piece as it comes.

        Arguments and errors as those of `generate`; they are looked at before the first piece is asked for.

        Example:
            >>> lm = kgpt2.load("mini_zh")
            >>> "".join(lm.stream("春风", sampler="greedy", max_new_tokens=8)) == str(
            ...     lm.generate("春风", sampler="greedy", max_new_tokens=8)[0])[2:]
            True
        """
        if settings.sampler == "beam" or settings.script or settings.num_return > 1 or settings.best_of > 1:
            raise RequestError(
                "stream: gives one text as it grows; not with sampler beam, script, num_return or best_of"
            )
        ready = self.prepare([as_text("prompt", prompt)], settings)
        _tell(ready)
        pieces = stream(self.decoder(settings), ready[0], Clock())
        return (piece for piece in pieces if isinstance(piece, str))

    def score(self, texts: str | Iterable[str], as_typed: bool = False) -> list[Score]:
        """The log-probability of every token of texts.

        Args:
            texts: one or several.
            as_typed: read them as they are, also where the model knows another form of a mark or character.

        Raises:
            RequestError: a text is none, or is longer than the context.
        """
        texts, as_typed = as_texts("texts", texts), Settings(as_typed=as_typed).as_typed
        tokenizer = self.tokenizer
        read = texts if as_typed else [self._reader.example(Example(text), Report()).text for text in texts]
        rows = [[*tokenizer.start_ids, *tokenizer.encode(text), tokenizer.end_id] for text in read]
        for text, row in zip(texts, rows, strict=True):
            if len(row) - 1 > self.runtime.context:
                raise RequestError(f"{quoted(text, 20)} has {len(row)} tokens, the context is {self.runtime.context}")
        scores = []
        for text, row in zip(texts, rows, strict=True):
            (logits,) = self.runtime.logits([row[:-1]])
            values = log_probabilities(logits, np.array(row[1:]))
            scores.append(Score(text, row, values.tolist()[len(tokenizer.prompt_ids) :]))
        return scores


def notes_of(prompts: Sequence[Prompt], say: Callable[[str], str] = str) -> list[str]:
    """What to tell of the rules of verse that gave way to what prompts begin with, each once, as `say` puts it."""
    notes = [f"{quoted(one.text, 20)}: {say(note)}" for one in prompts if one.plans for note in one.plans.notes]
    return list(dict.fromkeys(notes))


def _tell(prompts: Sequence[Prompt]) -> None:
    for note in notes_of(prompts):
        warnings.warn(Note(note), stacklevel=3)


def load(
    model: str | os.PathLike[str],
    dtype: str = "float32",
    runtime: str = "auto",
    *,
    start_token: str | None = None,
    end_token: str | None = None,
    newline_token: str | None = None,
    base: str | os.PathLike[str] | None = None,
) -> LanguageModel:
    """Loads a model to write with.

    Args:
        model: any MODEL: a name, `hf://org/name`, or a folder; a `Path` is always a folder.
        dtype: float32, bfloat16, int8 or int4 (the last two keep the weights so, on OpenVINO alone), or auto: the
            fastest whose loss is within half a percent of float32's.
        runtime: openvino, keras, or auto: OpenVINO on a CPU, Keras where there is an accelerator.
        start_token: begins a text; None: as the model's files say.
        end_token: ends a text; None: as the model's files say.
        newline_token: what the model learned in the place of a line end; None: as its files say.
        base: the MODEL that a LoRA adapter changes; None: the one that it names.

    Raises:
        RequestError: the model is not there, is broken, or the runtime cannot do it.
        WorkError: it has to be downloaded and cannot be.
    """
    if not isinstance(model, str | os.PathLike):
        raise RequestError(f"model: {quoted(model)} will not do, it must be a name or a folder")
    if not isinstance(base, str | os.PathLike | None):
        raise RequestError(f"base: {quoted(base)} will not do, it must be a name or a folder")
    tokens = SpecialTokens(start_token, end_token, newline_token)
    given = None if base is None else spelled(base)
    return open_runtime(read_model(spelled(model), tokens, given), dtype, runtime)


def open_runtime(checkpoint: Checkpoint, dtype: str = "float32", runtime: str = "auto") -> LanguageModel:
    """A checkpoint on a runtime; arguments and errors as those of `load`."""
    for name, value, known in (("dtype", dtype, DTYPES), ("runtime", runtime, RUNTIMES)):
        if value not in known:
            raise RequestError(f"{name}: {quoted(value)} is not one of {', '.join(known)}{near(str(value), known)}")
    chosen = choose_runtime(dtype, runtime)
    if dtype == "auto":
        dtype = fastest_dtype(chosen)
    if chosen == "openvino":
        from kgpt2.generation.openvino.runtime import OpenVinoRuntime

        return LanguageModel(checkpoint, OpenVinoRuntime(checkpoint, dtype))
    with checkpoint.open_weights():
        pass  # broken files are found before the seconds that Keras takes
    from kgpt2.models import load_task  # first: it brings Keras up the quiet way

    from kgpt2.generation.keras.runtime import KerasRuntime, all_devices  # isort: skip

    distribution = all_devices()
    with distribution.scope() if distribution else contextlib.nullcontext():
        task = load_task(checkpoint, dtype=dtype)
    return LanguageModel(checkpoint, KerasRuntime(task, distribution))


def fastest_dtype(runtime: str) -> str:
    """What the dtype auto is on a runtime, openvino or keras."""
    if runtime == "openvino":
        return FASTEST
    # XLA on a CPU gains nothing from a smaller type.
    return "bfloat16" if _accelerated() else "float32"


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
        require_installed("openvino")
        return "openvino"
    return "openvino" if runtime == "auto" and installed and not _accelerated() else "keras"


def _accelerated() -> bool:
    return any(Path(device).exists() for device in _ACCELERATORS)
