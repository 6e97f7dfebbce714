"""reddit_tifu in the format of TensorFlow Datasets: read, downloaded, or prepared from the posts' JSON lines.

TensorFlow is imported inside the functions, so that posts can be had from JSON lines without it.
"""

import contextlib
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from kgpt2.data.example import Report
from kgpt2.data.quiet import quiet
from kgpt2.data.tifu.json_lines import COLUMNS, NUMBERS, TEXTS, Post, belongs, plain_number, read_posts
from kgpt2.errors import RequestError, WorkError
from kgpt2.files import user_path
from kgpt2.outputs import claimed_folder
from kgpt2.writing import temporary_folder

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

NAME = "reddit_tifu"
# The version that TFDS gives; its loader takes no other.
VERSION = "1.1.2"
_HOST = "drive.google.com"
_ROWS_AT_ONCE = 64
_BY_HAND = (
    "bring data/tifu_all_tokenized_and_filtered.json.gz of the Hugging Face dataset ctr4si/reddit_tifu by hand,\n"
    "then --path FILE (-o data.path=FILE), or kgpt2 data prepare reddit_tifu --from FILE"
)


def default_data_dir() -> Path:
    """Where TFDS keeps its data: TFDS_DATA_DIR, or ~/tensorflow_datasets."""
    return user_path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")


def prepared_folder(data_dir: Path, part: str) -> Path:
    """Where a data directory holds a part ("short" or "long"), prepared or not."""
    return data_dir / NAME / part / VERSION


def read_prepared(data_dir: Path, part: str, report: Report) -> Iterator[tuple[int, Post]]:
    """The posts of a prepared part with their numbers, from 1 on, in TFDS' own order; nothing is downloaded.

    Raises:
        RequestError: TensorFlow Datasets is not installed, or cannot read the folder.
    """
    folder = prepared_folder(data_dir, part)
    number = 0
    try:
        tfds = _import_tfds()
        posts = tfds.load(
            f"{NAME}/{part}:{VERSION}",
            split="train",
            data_dir=data_dir,
            download=False,
            # Small data would stay in memory after it was read.
            read_config=tfds.ReadConfig(try_autocache=False),
        )
        for batch in tfds.as_numpy(posts.batch(_ROWS_AT_ONCE)):
            for values in zip(*batch.values(), strict=True):
                number += 1
                row = _row(dict(zip(batch, values, strict=True)))
                if row is None:
                    report.bad("not UTF-8", f"{folder}, example {number}: not UTF-8")
                elif belongs(row, part, report):
                    yield number, row
    except RequestError:
        raise
    except Exception as error:  # a damaged folder shows as any error of TFDS, TensorFlow or protobuf
        raise RequestError(f"{folder}: TFDS cannot read it ({_first_line(error)})") from error


def download(data_dir: Path, part: str) -> None:
    """Downloads and prepares a part into `data_dir`, as `tfds.load` does: 670 MB, once.

    Raises:
        WorkError: the network or the host fails; the message says how to bring the file by hand.
    """
    missing = f"{NAME}/{part}: not in {data_dir}, and"
    if not _reachable():
        # TFDS itself would try for more than three minutes.
        raise WorkError(f"{missing} {_HOST} cannot be reached\n{_BY_HAND}")
    tfds = _import_tfds()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            tfds.load(f"{NAME}/{part}:{VERSION}", split="train", data_dir=data_dir)
    except Exception as error:  # quotas, checksums, disks, undeclared packages: TFDS has no error of its own for them
        raise WorkError(f"{missing} the download failed ({_first_line(error)})\n{_BY_HAND}") from error


def prepare_tfds(file: Path, data_dir: Path, part: str, report: Report | None = None) -> Path:
    """Writes a part into `data_dir` from the posts' JSON lines, whole or not at all.

    `tfds.load("reddit_tifu", data_dir=data_dir, ...)` then loads it offline; its checksum allows no other way to
    a subset. Posts get the order that TFDS gives them. It may hold up to 1 GB of posts in memory, then uses the disk.

    Args:
        file: JSON lines, gzipped or not; see `read_posts`.
        data_dir: TFDS' data directory; made where it is missing.
        part: "short" or "long".
        report: is told of the rows left out.

    Returns:
        The folder written, `data_dir`/reddit_tifu/PART/1.1.2.

    Raises:
        RequestError: the file cannot be read or has no post, or the part is there already.
    """
    folder = prepared_folder(data_dir, part)
    if folder.exists():
        raise RequestError(f"{folder}: there already; remove it first, or choose another --path")
    if not file.is_file():
        raise RequestError(f"{file}: there is no such file (the posts of {NAME} as JSON lines)")
    rows = read_posts(file, part, report or Report())
    first = next(rows, None)
    if first is None:
        raise RequestError(f"{file}: no post of {NAME}/{part} in it")
    with claimed_folder(folder, f"--path {data_dir}", replaced=True), temporary_folder(folder) as temporary:
        tfds = _import_tfds()
        # TFDS tells of the temporary folder, on both streams.
        with quiet(), contextlib.redirect_stdout(sys.stderr):
            tfds.dataset_builders.store_as_tfds_dataset(
                name=NAME,
                version=VERSION,
                config=part,
                features=_features(tfds),
                split_datasets={"train": _keyed(first, rows)},
                data_dir=temporary,
                description=f"Posts of reddit_tifu, prepared from {file.name}.",
            )
        os.rename(prepared_folder(temporary, part), folder)
    return folder


def _keyed(first: tuple[int, Post], rows: Iterator[tuple[int, Post]]) -> Iterator[tuple[int, Post]]:
    # TFDS orders by a hash of the key; its own builder takes the line counted from 0, so the order is the same.
    for number, row in itertools.chain([first], rows):
        yield number - 1, row | {column: float("nan") for column in NUMBERS if row[column] is None}


def _features(tfds: ModuleType) -> "tfds.features.FeaturesDict":
    texts = {column: tfds.features.Text() for column in TEXTS}
    return tfds.features.FeaturesDict(
        texts | {column: tfds.features.Tensor(shape=[], dtype=np.float32) for column in NUMBERS}
    )


def _row(values: dict[str, Any]) -> Post | None:
    """A row out of TFDS' bytes and float32; None where a text is not UTF-8."""
    row: Post = {}
    for column in COLUMNS:
        value = values.get(column)
        if isinstance(value, bytes):
            try:
                row[column] = value.decode("utf-8")
            except UnicodeDecodeError:
                return None
        elif value is None or value != value:
            row[column] = None
        else:
            # Through its shortest decimal form: 0.77 comes back as 0.77, not as 0.7699999809.
            row[column] = plain_number(float(str(value)))
    return row


def _import_tfds() -> ModuleType:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with quiet():
            import tensorflow as tf
            import tensorflow_datasets as tfds

            _spare_accelerator(tf)
            tf.config.list_logical_devices()  # looks for devices now, and what it prints stays in here
    except ModuleNotFoundError as error:
        raise RequestError(
            f"the format of TFDS takes a package that is not installed: {error.name}\n"
            "install tensorflow and tensorflow-datasets, or give the posts as JSON lines: --path FILE"
        ) from None
    found: ModuleType = tfds
    return found


def _spare_accelerator(tf: ModuleType) -> None:
    """Keeps TensorFlow off the memory that another backend needs; once data was read it would be too late."""
    # A missing backend is no concern of the data's; and devices already in use are in use knowingly.
    with contextlib.suppress(ModuleNotFoundError, RuntimeError):
        import keras

        if keras.config.backend() != "tensorflow":
            tf.config.set_visible_devices([], "GPU")


def _reachable() -> bool:
    """Whether TFDS' own HTTP client gets an answer from the host, proxies and certificates as it finds them."""
    import requests

    try:
        requests.head(f"https://{_HOST}", timeout=10)
    except requests.RequestException:
        return False
    return True


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:120]}" if lines else type(error).__name__
