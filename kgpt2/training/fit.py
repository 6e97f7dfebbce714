"""A run from beginning to end: configuration, data, learning, and the run folder that is left."""

import dataclasses
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from kgpt2.config.recipes import config_of, load_config
from kgpt2.config.sections import Config
from kgpt2.errors import RequestError, quoted
from kgpt2.extras import TRAINING_BACKENDS, require_backend
from kgpt2.progress import reading
from kgpt2.training.folder import claimed_run, finished_summary, stoppable
from kgpt2.training.prepare import Plan, prepare
from kgpt2.training.telling import teller

if TYPE_CHECKING:
    import keras

    from kgpt2.generation.language_model import LanguageModel


@dataclasses.dataclass(frozen=True)
class Fitted:
    """What a run has left.

    Attributes:
        folder: the run folder; it is a model for `kgpt2.load` and for every command.
        summary: steps, tokens, losses, speed: the content of its summary.json.
    """

    folder: Path
    summary: Mapping[str, Any]

    def load(self, dtype: str = "float32", runtime: str = "auto") -> "LanguageModel":
        """The best model of the run, ready to write; arguments as those of `kgpt2.load`."""
        from kgpt2.generation.language_model import load

        return load(self.folder, dtype, runtime)


def fit(
    config: Config | Mapping[str, Any] | str | PathLike[str],
    out: str | PathLike[str] | None = None,
    *,
    callbacks: Sequence["keras.callbacks.Callback"] = (),
    resume: bool = False,
) -> Fitted:
    """Trains or fine-tunes a model, showing how it comes on; what `kgpt2 fit` does.

    Args:
        config: a YAML file, a mapping with the same keys, or a `Config`.
        out: the run folder. A file has `runs/` and its name as the default.
        callbacks: Keras callbacks of your own, such as those of Weights & Biases and MLflow. To them an epoch is what
            lies between two validations (`train.validate_every`).
        resume: go on with the run in the folder from its last checkpoint.

    Raises:
        RequestError: the configuration, the model, the data or the callbacks will not do, or another run lies in the
            folder.
        WorkError: the loss is not finite any more, or memory is not enough.
        Interrupted: the user stopped the run; the message says how to go on.

    Example:
        ```python
        config = {"model": {"preset": "mini_zh"}, "data": {"source": "samples/tang"}, "train": {"epochs": 1}}
        fitted = kgpt2.fit(config, out="runs/tang")
        print(fitted.summary["validation"]["perplexity"])
        print(fitted.load().generate("床前明月光", form="五绝", seed=1)[0])
        ```
    """
    require_backend(TRAINING_BACKENDS)  # before the data is read, which may take minutes
    _require_callbacks(callbacks)
    resolved, folder = _resolved(config), _folder(config, out)
    console = Console(stderr=True)
    summary = finished_summary(folder, resolved) if resume else None
    if summary is not None:
        teller(console)(
            f"{folder}: the run is complete, there is nothing to resume (more epochs or steps make it longer)"
        )
        return Fitted(folder, summary)
    with claimed_run(folder, resume), stoppable(folder):
        plan = planned(resolved, console)
        import kgpt2.models  # noqa: F401 (brings Keras and its backend up the quiet way)
        from kgpt2.training.run import train

        return Fitted(folder, train(resolved, plan, folder, console, resume=resume, callbacks=callbacks))


def planned(config: Config, console: Console) -> Plan:
    """Reads model and data, and says what will happen."""
    with reading(console) as progress:
        plan = prepare(config, progress)
    tell = teller(console)
    length = f"{plan.updates:,} steps, a validation every {plan.interval:,}"
    if not plan.validation:
        length = f"{plan.updates:,} steps, a row of metrics every {plan.interval:,}"
    for note in [*plan.notes, length]:
        tell(note)
    return plan


def _require_callbacks(callbacks: object) -> None:
    """Sees to it that callbacks are a list of objects, and neither one of them nor a class; Keras is not there yet."""
    if not isinstance(callbacks, Sequence):
        raise RequestError(f"callbacks: {quoted(callbacks)} is no list, write [MyCallback()]")
    for one in callbacks:
        if isinstance(one, type):
            raise RequestError(f"callbacks: {quoted(one)} is a class, write [{one.__name__}()]")
        if not hasattr(one, "set_model"):
            raise RequestError(f"callbacks: {quoted(one)} is no keras.callbacks.Callback")


def _resolved(config: Config | Mapping[str, Any] | str | PathLike[str]) -> Config:
    if isinstance(config, Config):
        return config
    return config_of(config) if isinstance(config, Mapping) else load_config(Path(config))


def _folder(config: object, out: str | PathLike[str] | None) -> Path:
    if out is not None:
        return Path(out)
    if isinstance(config, str | PathLike):
        return Path("runs") / Path(config).stem
    raise RequestError("out: a run needs a folder, for instance out='runs/mine'")
