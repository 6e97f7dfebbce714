"""From what a user types as MODEL to a folder with a Keras preset in it."""

import dataclasses
import difflib
import os
import socket
import urllib.request
from pathlib import Path

from kgpt2.errors import RequestError, WorkError
from kgpt2.files import read_json

REACH_SECONDS = 3.0


@dataclasses.dataclass(frozen=True)
class KerasHubPreset:
    """A GPT-2 preset that KerasHub offers.

    Attributes:
        name: what users type.
        handle: where Kaggle keeps it, with the version.
        parameters: how many weights it has.
    """

    name: str
    handle: str
    parameters: int

    @property
    def cache_folder(self) -> Path:
        """Where kagglehub keeps the preset's files."""
        organisation_model, version = self.handle.rsplit("/", 1)
        return kaggle_cache() / "models" / organisation_model / version

    def is_cached(self) -> bool:
        """Whether every file is there and was downloaded to its end (kagglehub marks that, by file or as a whole)."""
        folder = self.cache_folder
        marks = folder.parent / ".complete" / folder.name
        whole = marks.parent / f"{folder.name}.complete"
        return all(
            (folder / name).is_file() and (whole.exists() or (marks / f"{name}.complete").exists())
            for name in PRESET_FILES
        )


PRESET_FILES = (
    "config.json",
    "model.weights.h5",
    "tokenizer.json",
    "assets/tokenizer/vocabulary.json",
    "assets/tokenizer/merges.txt",
)
KERASHUB_PRESETS = {
    name: KerasHubPreset(name, f"keras/gpt2/keras/{name}/3", parameters)
    for name, parameters in {
        "gpt2_base_en": 124_439_808,
        "gpt2_medium_en": 354_823_168,
        "gpt2_large_en": 774_030_080,
        "gpt2_extra_large_en": 1_557_611_200,
        "gpt2_base_en_cnn_dailymail": 124_439_808,
    }.items()
}


def kaggle_cache() -> Path:
    """kagglehub's cache folder (`KAGGLEHUB_CACHE`)."""
    return Path(os.environ.get("KAGGLEHUB_CACHE") or Path.home() / ".cache" / "kagglehub")


def hugging_face_cache() -> Path:
    """huggingface_hub's cache folder (`HF_HUB_CACHE`, or `hub` under `HF_HOME`)."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub")


def resolve(model: str) -> Path:
    """The folder of the Keras preset that MODEL means; a KerasHub preset that is not cached is downloaded.

    Args:
        model: a KerasHub preset name, `hf://org/name`, or a folder: a Keras preset or a run written by `kgpt2 fit`.

    Raises:
        RequestError: there is no such model, or the folder holds none.
        WorkError: it has to be downloaded and cannot be.
    """
    if model in KERASHUB_PRESETS:
        preset = KERASHUB_PRESETS[model]
        return preset.cache_folder if preset.is_cached() else _download(preset)
    if model.startswith("hf://"):
        return _preset_in(_hugging_face_snapshot(model), model)
    folder = Path(model).expanduser()
    if folder.is_dir():
        return _preset_in(folder, model)
    if folder.exists():
        raise RequestError(f"{model}: this is a file, a model is a folder (or a name: `kgpt2 models` lists them)")
    close = difflib.get_close_matches(model, KERASHUB_PRESETS, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise RequestError(f"{model}: neither a folder nor a known name\n{hint}`kgpt2 models` lists the names")


def _preset_in(folder: Path, model: str) -> Path:
    if (folder / "config.yaml").is_file() and not (folder / "config.json").exists():
        if not (folder / "preset").is_dir():
            raise RequestError(f"{model}: this run has saved no model yet (there is no {folder / 'preset'})")
        folder = folder / "preset"
    config_path = folder / "config.json"
    if not config_path.is_file():
        raise RequestError(f"{model}: no model in this folder (no config.json: neither a preset nor a run folder)")
    config = read_json(config_path, "model configuration")
    if isinstance(config, dict) and "registered_name" in config:
        return folder
    if isinstance(config, dict) and "model_type" in config:
        raise RequestError(f"{model}: a Hugging Face checkpoint; this version reads Keras presets and run folders only")
    raise RequestError(f"{config_path}: not the configuration of a Keras preset (no registered_name)")


def _hugging_face_snapshot(model: str) -> Path:
    name, _, revision = model.removeprefix("hf://").partition("@")
    if name.count("/") != 1 or not all(part.strip(". ") for part in name.split("/")):
        raise RequestError(f"{model}: write hf://ORGANISATION/NAME")
    repository = hugging_face_cache() / f"models--{name.replace('/', '--')}"
    reference = repository / "refs" / (revision or "main")
    commit = reference.read_text().strip() if reference.is_file() else revision
    snapshot = repository / "snapshots" / commit
    if not commit or not snapshot.is_dir():
        raise WorkError(
            f"{model}: not in the local cache {hugging_face_cache()}, and this version does not download from there\n"
            f"fetch it once with `hf download {name}`, or give a folder"
        )
    return snapshot


def _download(preset: KerasHubPreset) -> Path:
    """Fetches a preset with kagglehub, which shows a progress bar and goes on where an earlier download stopped."""
    host = "www.kaggle.com"
    # A quick look first: without a network kagglehub retries for a long time and ends in a traceback.
    if not urllib.request.getproxies() and not _reachable(host):
        raise WorkError(_not_here(preset, f"{host} cannot be reached"))
    import kagglehub

    try:
        return Path(kagglehub.model_download(preset.handle))
    except Exception as error:  # kagglehub passes on whatever its transport raises
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise WorkError(_not_here(preset, f"the download failed ({reason})")) from error


def _not_here(preset: KerasHubPreset, why: str) -> str:
    return (
        f"{preset.name}: not in the local cache {kaggle_cache()}, and {why}\n"
        f"go online once, or copy the preset's files to {preset.cache_folder} and give that folder as the model"
    )


def _reachable(host: str) -> bool:
    try:
        with socket.create_connection((host, 443), timeout=REACH_SECONDS):
            return True
    except OSError:
        return False
