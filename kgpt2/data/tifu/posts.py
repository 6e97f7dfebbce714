"""reddit_tifu as a data source: posts of "today I f***ed up" from JSON lines or TensorFlow Datasets."""

import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from kgpt2.data.example import Example, Report, Source
from kgpt2.data.template import fields, fill
from kgpt2.data.text_files import is_blank
from kgpt2.data.tifu.json_lines import COLUMNS, PARTS, Post, read_posts
from kgpt2.data.tifu.prepared import NAME, default_data_dir, download, prepared_folder, read_prepared
from kgpt2.errors import RequestError, quoted
from kgpt2.files import open_regular

# Counted up where the same file would give other examples than before.
REVISION = 2

_FILE = "tifu_all_tokenized_and_filtered.json"
# The second is where TFDS wants files that were brought by hand.
_PLACES = ("", "downloads/manual")


def open_tifu(part: str, path: Path | None, text: str | None, prompt: str | None) -> Source:
    """The posts of a part, from the first of these that is there: JSON lines, TFDS' prepared data, a download of it.

    Args:
        part: "short" (posts with a title; also ""), or "long" (posts with a tldr).
        path: a file of JSON lines, or a TFDS data directory; None: TFDS' own. Only a folder is ever downloaded into.
        text: the column or template that the model learns; None: the documents.
        prompt: the column or template that it reads before; None: nothing.

    Returns:
        The source. Its `identity` and `read` download where they must, and raise WorkError where that fails.

    Raises:
        RequestError: an unknown part or column, or nothing at `path`.
    """
    spec = f"{NAME}/{part}" if part else NAME
    part = part or "short"
    if part not in PARTS:
        raise RequestError(f"{spec}: there is no such part; there are {', '.join(PARTS)}")
    text = "documents" if text is None else text
    fields(text, COLUMNS, spec)
    if prompt is not None:
        fields(prompt, COLUMNS, spec, "data.prompt")
    if path is not None and not path.exists():
        raise RequestError(f"{path}: there is no such file or folder (data.path: the posts, or a TFDS data directory)")
    data_dir = default_data_dir() if path is None else path

    @functools.cache
    def found() -> Path:
        if (here := _find(data_dir, part)) is None:
            download(data_dir, part)
            here = prepared_folder(data_dir, part)
        return here

    def read(report: Report) -> Iterator[Example]:
        here = found()
        rows = read_posts(here, part, report) if here.is_file() else read_prepared(data_dir, part, report)
        unit = "line" if here.is_file() else "example"
        for number, row in rows:
            example = _example(row, text, prompt)
            if not is_blank(example.text):
                yield example
            else:
                report.bad("no text", f"{here}, {unit} {number}: nothing is left of {quoted(text)} (data.text)")

    return Source(spec, lambda: _digest(found(), [REVISION, part, text, prompt]), read)


def _find(data_dir: Path, part: str) -> Path | None:
    """The file of JSON lines, or else the prepared folder, that a path given by the user leads to."""
    if data_dir.is_file():
        return data_dir
    for place in _PLACES:
        for name in (_FILE, f"{_FILE}.gz"):
            if (file := data_dir / place / name).is_file():
                return file
    folder = prepared_folder(data_dir, part)
    return folder if (folder / "dataset_info.json").is_file() else None


def _example(row: Post, text: str, prompt: str | None) -> Example:
    # Rows hold nothing but text and numbers by now, so a template always succeeds and needs no place to name.
    return Example(
        text=fill(text, row, NAME),
        prompt="" if prompt is None else fill(prompt, row, NAME),
    )


def _digest(path: Path, settings: Sequence[object]) -> str:
    """SHA-256 of the settings and of a file's content, or of the names and contents of a folder's files."""
    digest = hashlib.sha256(json.dumps(settings).encode("utf-8"))
    for file in [path] if path.is_file() else sorted(path.iterdir()):
        with open_regular(file, "data file") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
        digest.update(json.dumps(["" if file == path else file.name, content]).encode("utf-8"))
    return digest.hexdigest()
