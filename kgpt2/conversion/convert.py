"""One checkpoint in, one out: tensor by tensor, whole or not at all."""

import dataclasses
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from rich.filesize import decimal

from kgpt2.checkpoints.bpe_tokenizer import BpeTokenizer, is_stock
from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.checkpoints.tensors import DTYPES, Tensors, cast, read_all
from kgpt2.conversion.gguf import require_gguf, write_gguf
from kgpt2.conversion.keras_preset import write_keras_preset
from kgpt2.conversion.transformers import write_transformers
from kgpt2.errors import RequestError, WorkError
from kgpt2.files import whole_file, whole_folder

TARGETS = ("keras", "transformers", "gguf")
TARGET_DTYPES = ("float32", "float16", "bfloat16")


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What was converted.

    Attributes:
        destination: the folder or file written.
        to: one of `TARGETS`.
        dtype: of the weights written; "mixed" where the source mixes types and none was asked for.
        parameters: how many weights.
        bytes: how large they are.
        seconds: how long it took.
        notes: what could not be kept, in sentences.
    """

    destination: str
    to: str
    dtype: str
    parameters: int
    bytes: int
    seconds: float
    notes: list[str]


def convert(
    checkpoint: Checkpoint,
    destination: Path,
    to: str = "keras",
    dtype: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Conversion:
    """Writes a checkpoint in another format; never holds more than a tensor or two in memory.

    Args:
        checkpoint: as `checkpoints.names.read_model` gives it.
        destination: a folder that does not exist yet or is empty; a file ending in .gguf for GGUF.
        to: one of `TARGETS`.
        dtype: of the weights, one of `TARGET_DTYPES`; None: as they are stored.
        progress: is told the bytes read and the bytes there are.

    Raises:
        RequestError: the target or dtype is unknown, the destination is taken, the weights are broken, or the target
            cannot hold the model.
        WorkError: a package that the target needs is missing, or the disk is too full.
    """
    began = time.perf_counter()
    for name, value, known in (("to", to, TARGETS), ("dtype", dtype, (None, *TARGET_DTYPES))):
        if value not in known:
            raise RequestError(f"{name}: {value!r} is not one of {', '.join(filter(None, known))}")
    _require_free(destination, to)
    if to == "gguf":
        require_gguf(checkpoint)
    with checkpoint.open_weights() as tensors:
        dtypes = {name: _target(tensor.dtype, dtype) for name, tensor in tensors.items()}
        size = sum(math.prod(tensor.shape) * dtypes[name].itemsize for name, tensor in tensors.items())
        _require_room(destination, size)
        arrays = _arrays(tensors, dtypes, str(checkpoint.folder), progress)
        if to == "gguf":
            with whole_file(destination) as path:
                write_gguf(path, checkpoint, dtypes, arrays)
        else:
            write = write_keras_preset if to == "keras" else write_transformers
            with whole_folder(destination) as folder:
                write(folder, checkpoint, dtypes, arrays)
    names = {dtype.name for dtype in dtypes.values()}
    return Conversion(
        destination=str(destination),
        to=to,
        dtype=names.pop() if len(names) == 1 else "mixed",
        parameters=checkpoint.shape.parameters,
        bytes=size,
        seconds=time.perf_counter() - began,
        notes=[*checkpoint.notes, *_notes(checkpoint, to, tensors)],
    )


def _require_free(destination: Path, to: str) -> None:
    if to == "gguf":
        if destination.suffix.lower() != ".gguf":
            raise RequestError(f"{destination}: GGUF is one file; give it a name that ends in .gguf")
        if os.path.lexists(destination):
            raise RequestError(f"{destination}: the file exists already; remove it or give another name")
    elif os.path.lexists(destination) and not (destination.is_dir() and not any(destination.iterdir())):
        raise RequestError(f"{destination}: exists already and is not an empty folder; remove it or give another name")


def _require_room(destination: Path, size: int) -> None:
    """Looks before the work begins: HDF5 does not survive a full disk, and nobody likes to wait for one."""
    folder = next(parent for parent in destination.absolute().parents if parent.is_dir())
    free = shutil.disk_usage(folder).free
    if free < size:
        raise WorkError(f"{destination}: {decimal(size)} have to be written, and {folder} has {decimal(free)} left")


def _notes(checkpoint: Checkpoint, to: str, tensors: Tensors) -> Iterator[str]:
    if any(tensor.dtype == DTYPES["float64"] for tensor in tensors.values()):
        yield "float64 weights are written as float32"
    tokenizer = checkpoint.tokenizer
    if tokenizer.newline_id is not None and to != "keras":
        program = "llama.cpp" if to == "gguf" else "transformers"
        yield f"{program} puts no {tokenizer.tokens.newline} in the place of a prompt's line end: write it there"
    if to == "keras" and isinstance(tokenizer, BpeTokenizer) and not is_stock(tokenizer):
        yield "its tokenizer is kgpt2's own: KerasHub loads the preset after `import kgpt2.models`"
    if to == "keras" and not checkpoint.is_chinese and tokenizer.pad_id == tokenizer.end_id:
        yield (
            f"KerasHub pads with id {tokenizer.pad_id}, which is {tokenizer.end_token} here: "
            "KerasHub's own generate stops at once; kgpt2 generate does not"
        )


def _target(stored: np.dtype, dtype: str | None) -> np.dtype:
    if dtype is None:
        return DTYPES["float32"] if stored == DTYPES["float64"] else stored
    return DTYPES[dtype]


def _arrays(
    tensors: Tensors, dtypes: dict[str, np.dtype], where: str, progress: Callable[[int, int], None]
) -> Iterator[tuple[str, np.ndarray]]:
    total, done = sum(tensor.nbytes for tensor in tensors.values()), 0
    progress(0, total)
    for name, array in read_all(tensors, where):
        yield name, cast(name, array, dtypes[name])
        done += array.nbytes
        progress(done, total)
