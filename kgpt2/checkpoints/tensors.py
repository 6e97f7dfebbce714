"""Tensors in files, one at a time: what every weight format is read into and written from."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping

import ml_dtypes
import numpy as np

from kgpt2.errors import RequestError, escaped

# Little-endian, whatever the machine: so are all the files.
DTYPES: dict[str, np.dtype] = {
    "float64": np.dtype("<f8"),
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}


@dataclasses.dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file, not read yet.

    Attributes:
        shape: of the array.
        dtype: of the array; a float.
        read: gives the array; raises RequestError where the file does not hold what it promised.

    Example:
        >>> StoredTensor((2, 3), DTYPES["float16"], lambda: np.zeros((2, 3), np.float16)).nbytes
        12
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], np.ndarray]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


Tensors = Mapping[str, StoredTensor]


def require_shapes(tensors: Tensors, expected: Mapping[str, tuple[int, ...]], where: str) -> None:
    """Compares the tensors of a file with those that the network needs, before anything is read.

    Raises:
        RequestError: tensors are missing, surplus or of another shape.
    """
    missing = [name for name in expected if name not in tensors]
    surplus = [name for name in tensors if name not in expected]
    if missing:
        raise RequestError(
            f"{where}: {_listed(missing)} missing; the file is no GPT-2 of the shape that its config says"
        )
    if surplus:
        raise RequestError(
            f"{where}: {_listed(surplus)} too many, which a GPT-2 of the shape in its config does not have\n"
            "kgpt2 drops no weights in silence: remove them, or mend config.json"
        )
    for name, shape in expected.items():
        if tensors[name].shape != shape:
            raise RequestError(f"{where}: {name} is {_by(tensors[name].shape)}, the config asks for {_by(shape)}")


def read_all(tensors: Tensors, where: str) -> Iterator[tuple[str, np.ndarray]]:
    """Names and arrays, one at a time.

    Raises:
        RequestError: a tensor cannot be read, or holds NaN or infinity.
    """
    for name, tensor in tensors.items():
        array = tensor.read()
        if not _is_finite(array):
            raise RequestError(f"{where}: {name} holds NaN or infinity; these weights are broken")
        yield name, array


def cast(name: str, array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """An array in another float type.

    Raises:
        RequestError: a finite value is beyond the type's range.

    Example:
        >>> cast("wte.weight", np.ones(2, np.float32), DTYPES["float16"])
        array([1., 1.], dtype=float16)
    """
    if array.dtype == dtype:
        return array
    with np.errstate(over="ignore"):
        narrow = array.astype(dtype)
    if not _is_finite(narrow):
        raise RequestError(f"{name} holds values beyond {dtype.name}; use bfloat16 or float32")
    return narrow


def _is_finite(array: np.ndarray) -> bool:
    # The greatest and the least tell, and need no second array of the same size.
    return not array.size or bool(np.isfinite(array.min()) and np.isfinite(array.max()))


def _listed(names: Iterable[str], shown: int = 3) -> str:
    names = list(names)
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(map(escaped, names[:shown])) + rest + (" is" if len(names) == 1 else " are")


def _by(shape: tuple[int, ...]) -> str:
    return escaped(" x ".join(map(str, shape))) or "a single number"
