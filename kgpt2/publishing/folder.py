"""What of a folder is published: a model, and of a run its figures and samples besides."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.checkpoints.hugging_face_weights import ROUNDED
from kgpt2.checkpoints.names import read_model
from kgpt2.config.recipes import load_config
from kgpt2.config.sections import Config
from kgpt2.errors import RequestError
from kgpt2.files import is_folder, read_object, read_text, user_path

CARD = "README.md"
OPENVINO = ("openvino_model.xml", "openvino_model.bin")
_RUN = ("config.yaml", "metrics.csv", "summary.json", "samples.txt", "curves.png")
# What models are kept in, and what may run code where it is opened.
_KINDS = {".json", ".txt", ".model", ".jinja", ".safetensors", ".h5", ".xml", ".gguf", ".md"}
_PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".py"}


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run of `kgpt2 fit` has to tell.

    Attributes:
        config: its configuration.
        summary: the content of summary.json.
        samples: the texts of samples.txt, of the step that was kept.
    """

    config: Config
    summary: Mapping[str, Any]
    samples: list[str]


@dataclasses.dataclass(frozen=True)
class Publication:
    """A model and what goes with it.

    Attributes:
        folder: as the user named it.
        files: by their names in the repository; none is a card.
        left_out: names of files that are not published.
        kind: "keras", "transformers" or "openvino".
        checkpoint: the model; None: OpenVINO's tools alone read it.
        run: of a run folder.
        card: a README.md of the user's own.
    """

    folder: Path
    files: Mapping[str, Path]
    left_out: list[str]
    kind: str
    checkpoint: Checkpoint | None
    run: Run | None
    card: str | None

    @property
    def is_chinese(self) -> bool:
        """Whether the model's vocabulary is BERT's kind, which Chinese ones are."""
        return self.checkpoint.is_chinese if self.checkpoint is not None else "vocab.txt" in self.files


def publication(folder: str) -> Publication:
    """What there is to publish in a folder that `kgpt2 fit` or `kgpt2 convert` has written, or another model's.

    Raises:
        RequestError: it is no such folder, the run is not complete, weights are missing or damaged, or something in it
            may run code where it is opened.
    """
    place = user_path(folder)
    if not is_folder(place):
        raise RequestError(f"{folder}: there is no such folder; a run, or what `kgpt2 convert` writes, can be pushed")
    is_run = is_folder(place / "preset")
    if is_run and not (place / "summary.json").is_file():
        raise RequestError(f"{folder}: the run is not complete (no summary.json); `kgpt2 fit ... --resume` ends it")
    model = place / "preset" if is_run else place
    files = {path.relative_to(model).as_posix(): path for path in _plain_files(model)}
    checkpoint, kind = _model(model, folder)
    _refuse_code(folder, files)
    known = {name: path for name, path in files.items() if path.suffix.lower() in _KINDS or _is_graph(path)}
    left_out = sorted(files.keys() - known.keys())
    known |= {name: place / name for name in _RUN if is_run and (place / name).is_file()}
    own = known.pop(CARD, place / CARD if is_run else None)
    card = read_text(own, "model card") if own is not None and own.is_file() else None
    return Publication(
        place, dict(sorted(known.items())), left_out, kind, checkpoint, _run(place) if is_run else None, card
    )


def _plain_files(folder: Path) -> Iterator[Path]:
    """The files of a folder, hidden ones and those behind a link to elsewhere left out."""
    root = folder.resolve()
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and path.resolve().is_relative_to(root):
            yield path


def _refuse_code(folder: str, files: Mapping[str, Path]) -> None:
    for name, path in files.items():
        if path.suffix.lower() in _PICKLES and not _is_graph(path):
            raise RequestError(
                f"{folder}: {name} may run code where it is opened, so it is not pushed; "
                f"`kgpt2 convert {folder} DST` writes the model without such files"
            )


def _is_graph(path: Path) -> bool:
    """Whether a .bin holds the numbers of an OpenVINO graph, of the model or of its tokenizer."""
    return path.name.startswith("openvino_") and path.suffix == ".bin" and path.with_suffix(".xml").is_file()


def _model(folder: Path, named: str) -> tuple[Checkpoint | None, str]:
    """The model in a folder, looked at down to its weights, and whose format it has."""
    if (folder / OPENVINO[0]).is_file():
        if not (folder / OPENVINO[1]).is_file():
            raise RequestError(f"{named}: the weights are missing ({OPENVINO[1]})")
        return None, "openvino"
    if (folder / ROUNDED).is_file():
        raise RequestError(
            f"{named}: its weights are kept as kgpt2 alone reads them; `kgpt2 convert {named} DST` first"
        )
    checkpoint = read_model(str(folder))
    with checkpoint.open_weights():
        pass
    keras = "registered_name" in read_object(folder / "config.json", "model configuration")
    return checkpoint, "keras" if keras else "transformers"


def _run(folder: Path) -> Run:
    summary = read_object(folder / "summary.json", "summary of a run")
    path = folder / "samples.txt"
    samples = _samples(read_text(path, "file of samples"), summary.get("kept_step")) if path.is_file() else []
    return Run(load_config(folder / "config.yaml"), summary, samples)


def _samples(text: str, step: object) -> list[str]:
    """The texts below the heading of a step, or below the last one."""
    parts = [part.partition(" ==\n") for part in text.split("== step ")[1:]]
    found = {heading.partition(",")[0].replace(",", ""): texts for heading, _, texts in parts}
    chosen = found.get(str(step), parts[-1][2] if parts else "")
    return [text.strip() for text in chosen.split("\n\n") if text.strip()]
