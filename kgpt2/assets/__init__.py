"""What the package ships: sample texts (see samples/README.md)."""

from pathlib import Path

_FOLDER = Path(__file__).parent
SAMPLES = {"tang": "tang.jsonl", "couplets": "couplets.csv", "tifu": "tifu.jsonl"}


def sample_path(name: str) -> Path:
    """The file of a packaged sample, one of `SAMPLES`."""
    return _FOLDER / "samples" / SAMPLES[name]
