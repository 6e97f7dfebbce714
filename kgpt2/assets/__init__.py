"""What the package ships: sample texts (see samples/README.md) and the hashes of files that it may download."""

from pathlib import Path

_FOLDER = Path(__file__).parent
POETRY_TABLE = _FOLDER / "chinese_poetry.sha256"
SAMPLES = {"tang": "tang.jsonl", "couplets": "couplets.csv", "tifu": "tifu.jsonl"}


def sample_path(name: str) -> Path:
    """The file of a packaged sample, one of `SAMPLES`."""
    return _FOLDER / "samples" / SAMPLES[name]
