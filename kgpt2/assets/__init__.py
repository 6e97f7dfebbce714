"""What the package ships: a model, sample texts, tables of verse, hashes of files that it may download."""

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


def verse_table(name: str) -> Path:
    """The file of a table of verse: "tones", "pingshui", "modern", "classes" or "words" (see verse/README.md)."""
    return _FOLDER / "verse" / f"{name}.tsv"
