"""When a run fails: a loss or weights that are no numbers any more, and memory that is not enough."""

import math
from collections.abc import Sequence
from pathlib import Path

import keras
from keras import ops
from rich.console import Console

from kgpt2.checkpoints.checkpoint import Tokenizer
from kgpt2.config.sections import Config
from kgpt2.data.batches import Batch, Batches
from kgpt2.errors import WorkError
from kgpt2.evaluation.perplexity import perplexity
from kgpt2.training.target import LOSS, Logs
from kgpt2.training.telling import teller
from kgpt2.training.token_meter import TokenMeter

# Rows of a batch that an error shows, and characters of each.
_ROWS, _CHARACTERS = 3, 40


class Guard(keras.callbacks.Callback):
    """Stops a run whose numbers are not finite any more, before anything is saved of it; warns of an exploding loss.

    It must come before the callbacks that count and save.

    Args:
        meter: counts the batches.
        batches: what is trained on.
        tokenizer: the model's.
        folder: the run's.
        console: is warned.
    """

    def __init__(self, meter: TokenMeter, batches: Batches, tokenizer: Tokenizer, folder: Path, console: Console):
        super().__init__()
        self._meter, self._batches, self._tokenizer = meter, batches, tokenizer
        self._folder, self._tell = folder, teller(console)
        # Guessing every token alike costs ln(vocabulary). A loss of twice that is not learning, whatever the data.
        self._exploding = 2 * math.log(tokenizer.vocabulary_size)

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        # The mean since the last reset: no number as soon as one batch's loss is none.
        loss, number = logs[LOSS], self._meter.batches
        if not math.isfinite(perplexity(loss)):
            texts = first_texts(self._batches.at(number), self._tokenizer)
            raise self._stopped(f"the loss is {loss} at batch {number + 1:,}, which begins with {', '.join(texts)}")
        if loss > self._exploding:
            self._tell(
                f"step {self._meter.step + 1:,}: the loss, {loss:.2f}, is more than twice that of a model that knows "
                "nothing; training may be diverging, and a lower train.learning_rate may help"
            )
            self._exploding = math.inf

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        loss = logs.get(f"val_{LOSS}", 0.0)
        if not math.isfinite(perplexity(loss)):
            raise self._stopped(f"the validation loss is {loss}")

    def require_finite(self, variables: Sequence[keras.Variable]) -> None:
        """Sees to it that variables are worth saving: a finite loss may belong to an update that broke the weights.

        Raises:
            WorkError: one holds NaN or infinity.
        """
        floats = (variable for variable in variables if "float" in variable.dtype)
        broken = next((variable for variable in floats if not ops.all(ops.isfinite(variable))), None)
        if broken is not None:
            raise self._stopped(f"{broken.path} holds NaN or infinity")

    def _stopped(self, what: str) -> WorkError:
        paths = [self._folder / "preset", *sorted(self._folder.glob("checkpoints/step-*"))[-1:]]
        kept = ", ".join(str(path) for path in paths if path.exists())
        return WorkError(
            f"stopped after step {self._meter.step:,}: {what}\n"
            "lower train.learning_rate, raise train.warmup or set train.clip_norm, and start another run; "
            f"kept from before: {kept or 'nothing yet'}"
        )


def first_texts(batch: Batch, tokenizer: Tokenizer) -> list[str]:
    """The first rows of a batch as a user can find them in the data: quoted, without special tokens, cut."""
    rows = [ids[mask > 0].tolist() for ids, mask in zip(batch.token_ids, batch.padding_mask, strict=True)]
    texts = [tokenizer.decode(row) for row in rows[:_ROWS] if row]
    return [repr(text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}…") for text in texts]


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it was raised in the handling of, is a backend's or Python's lack of memory."""
    if error is None:
        return False
    # TensorFlow has a class for it, JAX and XLA a status in the message.
    names = {kind.__name__ for kind in type(error).__mro__}
    here = names & {"MemoryError", "ResourceExhaustedError"} or "RESOURCE_EXHAUSTED" in str(error)
    return bool(here) or is_out_of_memory(error.__cause__ or error.__context__)


def out_of_memory(config: Config) -> WorkError:
    """The error that says what to lower."""
    train, model = config.train, config.model
    size = "batch_tokens" if train.batch_tokens else "batch_size"
    more = ", or set model.dtype=mixed_bfloat16" if model.dtype == "float32" else ""
    more += "" if model.rematerialise else ", or set model.rematerialise=true"
    return WorkError(
        f"out of memory: lower train.{size} (now {getattr(train, size)}; train.accumulate makes up for it) "
        f"or model.sequence_length (now {model.sequence_length}){more}\n"
        "--resume keeps these settings, so start another run; what was saved before stays"
    )
