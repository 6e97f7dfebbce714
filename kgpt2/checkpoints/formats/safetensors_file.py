"""`model.safetensors`: read with the safetensors library, written tensor by tensor."""

import contextlib
import functools
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from numpy.typing import NDArray

from kgpt2.checkpoints.formats.int8_rows import SCALE, whole
from kgpt2.checkpoints.tensors import DTYPES, StoredTensor, Tensors
from kgpt2.errors import RequestError, escaped
from kgpt2.files import require_regular

MAX_TENSORS = 50_000  # gpt2-xl has 581

_CODES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_INT8 = "I8"
_CODE_OF: dict[np.dtype[Any], str] = {DTYPES[name]: code for code, name in _CODES.items()} | {np.dtype(np.int8): _INT8}


@contextlib.contextmanager
def open_safetensors(path: Path) -> Iterator[Tensors]:
    """The float tensors of a file by name, those of `int8_rows` made whole; others (causal masks) are left out.

    Raises:
        RequestError: the file is broken: the library checks that offsets, sizes and shapes agree with the file's.
    """
    require_regular(path, "file of weights")
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(safetensors.safe_open(str(path), framework="numpy"))
            names = file.keys()
            if len(names) > MAX_TENSORS:
                raise RequestError(f"{path}: refused, it holds more than {MAX_TENSORS:,} tensors")
            slices = {name: file.get_slice(name) for name in names}
        except (safetensors.SafetensorError, OSError) as error:
            raise RequestError(f"{path}: not a safetensors file that can be read ({escaped(error, 200)})") from None
        yield dict(_stored(file, slices, path))


def _stored(file: safetensors.safe_open, slices: Mapping[str, Any], path: Path) -> Iterator[tuple[str, StoredTensor]]:
    rounded = {name for name, part in slices.items() if part.get_dtype() == _INT8 and name + SCALE in slices}
    for name, part in slices.items():
        shape = tuple(part.get_shape())
        if name in rounded:
            scale = slices[name + SCALE]
            if len(shape) != 2 or scale.get_shape() != [shape[0]] or scale.get_dtype() not in _CODES:
                raise RequestError(f"{path}: {escaped(name)} has not a scale for each of its rows")
            yield name, StoredTensor(shape, DTYPES["float32"], functools.partial(_whole, file, name, path))
        elif part.get_dtype() in _CODES and name.removesuffix(SCALE) not in rounded:
            dtype = DTYPES[_CODES[part.get_dtype()]]
            yield name, StoredTensor(shape, dtype, functools.partial(_read, file, name, path))


def _whole(file: safetensors.safe_open, name: str, path: Path) -> NDArray[np.float32]:
    return whole(_read(file, name, path), _read(file, name + SCALE, path))


def _read(file: safetensors.safe_open, name: str, path: Path) -> np.ndarray:
    try:
        return np.asarray(file.get_tensor(name))
    except (safetensors.SafetensorError, OSError, ValueError, TypeError) as error:
        raise RequestError(f"{path}: {escaped(name)} cannot be read ({escaped(error)})") from None


def write_safetensors(
    path: Path,
    shapes: Mapping[str, tuple[tuple[int, ...], np.dtype]],
    arrays: Iterator[tuple[str, np.ndarray]],
) -> None:
    """Writes a file that never needs more than one tensor in memory (the library's own writer wants them all).

    Args:
        path: the file; who calls sees to it that half a file is never taken for a whole one.
        shapes: shape and dtype of each tensor, in the order of `arrays`.
        arrays: names and values.

    Source of the layout: https://github.com/huggingface/safetensors (8 bytes: length of the header; a JSON header;
    the data).
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, (shape, dtype) in shapes.items():
        end = position + math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": _CODE_OF[dtype], "shape": list(shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the data is aligned
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for (name, (shape, dtype)), (given, array) in zip(shapes.items(), arrays, strict=True):
            if (given, array.shape, array.dtype) != (name, shape, dtype):
                raise ValueError(f"{given} came where {name} was announced, or in another shape or type")
            file.write(np.ascontiguousarray(array).view(np.uint8).data)
        file.flush()
        os.fsync(file.fileno())
