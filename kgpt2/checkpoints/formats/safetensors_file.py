"""`model.safetensors`: read with the safetensors library, written tensor by tensor."""

import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import safetensors

from kgpt2.checkpoints.tensors import DTYPES, StoredTensor, Tensors
from kgpt2.errors import RequestError

_CODES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_CODE_OF = {DTYPES[name]: code for code, name in _CODES.items()}


@contextlib.contextmanager
def open_safetensors(path: Path) -> Iterator[Tensors]:
    """The float tensors of a file by name; others (causal masks) are left out.

    Raises:
        RequestError: the file is broken: the library checks that offsets, sizes and shapes agree with the file's.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(safetensors.safe_open(str(path), framework="numpy"))
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (no dict)
        except (safetensors.SafetensorError, OSError) as error:
            raise RequestError(f"{path}: not a safetensors file that can be read ({error})") from None
        yield {
            name: StoredTensor(
                tuple(part.get_shape()),
                DTYPES[_CODES[part.get_dtype()]],
                lambda name=name: np.asarray(file.get_tensor(name)),
            )
            for name, part in slices.items()
            if part.get_dtype() in _CODES
        }


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
