"""One checkpoint in, one out: tensor by tensor, whole or not at all."""

import contextlib
import dataclasses
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from kgpt2.checkpoints.bpe_tokenizer import BpeTokenizer, is_stock
from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.checkpoints.names import read_model, spelled
from kgpt2.checkpoints.tensors import DTYPES, StoredTensor, Tensors, cast, read_all
from kgpt2.conversion.gguf import require_gguf, write_gguf
from kgpt2.conversion.keras_preset import write_keras_preset
from kgpt2.conversion.transformers import write_transformers
from kgpt2.errors import RequestError, quoted
from kgpt2.outputs import claimed_file, claimed_folder
from kgpt2.writing import require_room, whole_file, whole_folder


def _write_openvino(*model: Any) -> None:
    from kgpt2.conversion.openvino.folder import write_openvino  # OpenVINO takes a while to import

    write_openvino(*model)


_WRITERS: dict[str, tuple[Callable[..., None], Callable[[Path], AbstractContextManager[Path]]]] = {
    "keras": (write_keras_preset, whole_folder),
    "transformers": (write_transformers, whole_folder),
    "gguf": (write_gguf, whole_file),
    "openvino": (_write_openvino, whole_folder),
}
TARGETS = tuple(_WRITERS)
_FLOATS = "--dtype float16 or bfloat16"
TARGET_DTYPES = ("float32", "float16", "bfloat16", "int8")


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What was converted.

    Attributes:
        destination: the folder or file written.
        to: one of `TARGETS`.
        dtype: of the weights written; "mixed" where the source mixes types and none was asked for; of "int8", the
            vectors and the position embedding are float32.
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
    model: Checkpoint | str | PathLike[str],
    destination: str | PathLike[str],
    to: str | None = None,
    dtype: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Conversion:
    """Writes a model in another format; never holds more than a tensor or two in memory, but for OpenVINO.

    Args:
        model: any MODEL, or what `checkpoints.names.read_model` made of it.
        destination: a folder that does not exist yet or is empty; a file ending in .gguf for GGUF.
        to: one of `TARGETS`; None: gguf where the destination ends so, else keras.
        dtype: of the weights, one of `TARGET_DTYPES`; None: as they are stored. int8, with a scale for each
            output, is OpenVINO's.
        progress: is told the bytes read and the bytes there are.

    Raises:
        RequestError: the target or dtype is unknown, the destination is taken, the weights are broken, or the target
            cannot hold the model.
        WorkError: a package that the target needs is missing, or the disk is too full.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     kgpt2.convert("mini_zh", f"{folder}/mini_zh", "transformers").dtype
        'float32'
    """
    began = time.perf_counter()
    destination = Path(destination)
    to = to or ("gguf" if destination.suffix.lower() == ".gguf" else "keras")
    for name, value, known in (("to", to, TARGETS), ("dtype", dtype, (None, *TARGET_DTYPES))):
        if value not in known:
            raise RequestError(f"{name}: {quoted(value)} is not one of {', '.join(filter(None, known))}")
    if dtype == "int8" and to != "openvino":
        raise RequestError(
            f"dtype: int8 weights are OpenVINO's, and the target is {to}\nconvert --to openvino, or {_FLOATS}"
        )
    checkpoint = model if isinstance(model, Checkpoint) else read_model(spelled(model))
    with _claimed(destination, to), contextlib.ExitStack() as opened:
        if to == "gguf":
            require_gguf(checkpoint)
        tensors = opened.enter_context(checkpoint.open_weights())
        dtypes = {name: _target(name, tensor, dtype) for name, tensor in tensors.items()}
        size = sum(math.prod(tensor.shape) * dtypes[name].itemsize for name, tensor in tensors.items())
        require_room(destination, size, len(tensors))
        arrays = _arrays(tensors, dtypes, str(checkpoint.folder), progress)
        write, whole = _WRITERS[to]
        with whole(destination) as path:
            write(path, checkpoint, dtypes, arrays)
    names = {dtype} if dtype else {kind.name for kind in dtypes.values()}
    return Conversion(
        destination=str(destination),
        to=to,
        dtype=names.pop() if len(names) == 1 else "mixed",
        parameters=checkpoint.shape.parameters,
        bytes=size,
        seconds=time.perf_counter() - began,
        notes=[*checkpoint.notes, *_notes(checkpoint, to, tensors)],
    )


# What each program makes of a tuned prompt.
_WRITE = "write its {count} tokens, {first} to {last}, in front of each prompt there, as kgpt2 does by itself"
_PROMPT_NOTES = {
    "keras": "the model has a tuned prompt, which KerasHub's own generate does not know: " + _WRITE,
    "gguf": "the model has a tuned prompt, which llama.cpp does not know: " + _WRITE,
    "openvino": "the model has a tuned prompt of {count} tokens: its tokenizer puts them in front of a text, and "
    "`generate` never writes them",
    "transformers": "the model has a tuned prompt of {count} tokens: its tokenizer puts them in front of a text "
    "(not with add_special_tokens=False), and `generate` never writes them",
}


@contextlib.contextmanager
def _claimed(destination: Path, to: str) -> Iterator[None]:
    """Takes a destination that is free."""
    _require_free(destination, to)
    label = str(destination)
    with claimed_file(destination, label) if to == "gguf" else claimed_folder(destination, label, replaced=True):
        _require_free(destination, to)  # whoever had it may have filled it
        yield


def _require_free(destination: Path, to: str) -> None:
    if to == "gguf":
        if destination.suffix.lower() != ".gguf":
            raise RequestError(f"{destination}: GGUF is one file; give it a name that ends in .gguf")
        if os.path.lexists(destination):
            raise RequestError(f"{destination}: the file exists already; remove it or give another name")
    elif os.path.lexists(destination) and not (destination.is_dir() and not any(destination.iterdir())):
        raise RequestError(f"{destination}: exists already and is not an empty folder; remove it or give another name")


def _notes(checkpoint: Checkpoint, to: str, tensors: Tensors) -> Iterator[str]:
    if any(tensor.dtype == DTYPES["float64"] for tensor in tensors.values()):
        yield "float64 weights are written as float32"
    tokenizer = checkpoint.tokenizer
    if tokenizer.newline_id is not None and to != "keras":
        program = {"gguf": "llama.cpp", "openvino": "OpenVINO"}.get(to, to)
        yield f"{program} puts no {tokenizer.tokens.newline} in the place of a prompt's line end: write it there"
    if tokenizer.prompt_ids:
        first, last = (tokenizer.vocabulary[tokenizer.prompt_ids[place]] for place in (0, -1))
        yield _PROMPT_NOTES[to].format(count=len(tokenizer.prompt_ids), first=first, last=last)
    if to == "keras" and isinstance(tokenizer, BpeTokenizer) and not is_stock(tokenizer):
        yield "its tokenizer is kgpt2's own: KerasHub loads the preset after `import kgpt2.models`"
    if to == "keras" and not checkpoint.is_chinese and tokenizer.pad_id == tokenizer.end_id:
        yield (
            f"KerasHub pads with id {tokenizer.pad_id}, which is {tokenizer.end_token} here: "
            "KerasHub's own generate stops at once; kgpt2 generate does not"
        )


def _target(name: str, stored: StoredTensor, dtype: str | None) -> np.dtype[Any]:
    """The type of a tensor in the file written."""
    if dtype is None:
        return DTYPES["float32"] if stored.dtype == DTYPES["float64"] else stored.dtype
    if dtype == "int8":
        return np.dtype(np.int8) if len(stored.shape) == 2 and name != "wpe.weight" else DTYPES["float32"]
    wanted: np.dtype[Any] = DTYPES[dtype]
    return wanted


def _arrays(
    tensors: Tensors, dtypes: dict[str, np.dtype[Any]], where: str, progress: Callable[[int, int], None]
) -> Iterator[tuple[str, np.ndarray]]:
    total, done = sum(tensor.nbytes for tensor in tensors.values()), 0
    progress(0, total)
    for name, array in read_all(tensors, where):
        # The writer makes the small integers, and knows their scales.
        yield name, cast(name, array, DTYPES.get(dtypes[name].name, DTYPES["float32"]))
        done += array.nbytes
        progress(done, total)
