"""KerasHub's own presets: their names, their place in kagglehub's cache, and the download from Kaggle."""

import dataclasses
import os
from pathlib import Path

from kgpt2.errors import WorkError
from kgpt2.files import home
from kgpt2.online import kaggle_client, reason, require_reachable


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

    def fetch(self) -> Path:
        """The folder with the preset's files; what is not cached is downloaded.

        Raises:
            WorkError: it has to be downloaded and cannot be.
        """
        return self.cache_folder if self.is_cached() else _download(self)


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


# The same weights in the repositories of Hugging Face.
_ON_HUGGING_FACE = {
    "gpt2_base_en": "gpt2",
    "gpt2_medium_en": "gpt2-medium",
    "gpt2_large_en": "gpt2-large",
    "gpt2_extra_large_en": "gpt2-xl",
}


def kaggle_cache() -> Path:
    """kagglehub's cache folder (`KAGGLEHUB_CACHE`)."""
    return Path(os.environ.get("KAGGLEHUB_CACHE") or home(".cache", "KAGGLEHUB_CACHE") / "kagglehub")


def _download(preset: KerasHubPreset) -> Path:
    """Fetches a preset with kagglehub, which shows a progress bar and goes on where an earlier download stopped."""
    require_reachable("https://www.kaggle.com", lambda why: _not_here(preset, why))
    try:
        return Path(kaggle_client().model_download(preset.handle))
    except Exception as error:  # kagglehub passes on whatever its transport raises
        raise WorkError(_not_here(preset, f"the download failed ({reason(error)})")) from error


def _not_here(preset: KerasHubPreset, why: str) -> str:
    hint = f"go online once, or copy {preset.cache_folder.parent} from a machine that has it: the name is then enough"
    if other := _ON_HUGGING_FACE.get(preset.name):
        hint += f"; or take hf://openai-community/{other}, which has a cache of its own and mirrors (HF_ENDPOINT)"
    return f"{preset.name}: not in the local cache {kaggle_cache()}, and {why}\n{hint}"
