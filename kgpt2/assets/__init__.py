"""What the package ships: a model, recipes, sample texts, tables of verse, hashes of files that it may download."""

from pathlib import Path

_FOLDER = Path(__file__).parent
POETRY_TABLE = _FOLDER / "chinese_poetry.sha256"
MODELS = ("mini_zh",)
SAMPLES = {"tang": "tang.jsonl", "couplets": "couplets.csv", "tifu": "tifu.jsonl"}


def model_path(name: str) -> Path:
    """The folder of a packaged model, one of `MODELS`: a Hugging Face GPT-2."""
    return _FOLDER / name


def sample_path(name: str) -> Path:
    """The file of a packaged sample, one of `SAMPLES`."""
    return _FOLDER / "samples" / SAMPLES[name]


def catalogue_path() -> Path:
    """The file of what is said in Chinese: GNU gettext's .po."""
    return _FOLDER / "locale" / "zh_CN.po"


def recipes_folder() -> Path:
    """Where the recipes and their schema lie: in the package or, else, in a clone, in its configs/ (see setup.py)."""
    inside = _FOLDER / "recipes"
    return inside if inside.is_dir() else _FOLDER.parents[1] / "configs"


def verse_table(name: str) -> Path:
    """The file of a table of verse: "tones", "rhymes", "pingshui", "modern", "tongyun",
    "classes", "words" or "tunes" (see verse/README.md)."""
    return _FOLDER / "verse" / f"{name}.tsv"
