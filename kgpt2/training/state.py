"""All that training goes on from, in one file: weights, optimizer, running metrics and random seeds.

The file is a zip of NumPy arrays, one for each variable, written and read one at a time; its checksums tell a damaged
file from a whole one, and nothing in it can run code.
"""

import math
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from kgpt2.errors import RequestError, escaped
from kgpt2.files import open_regular

# What zipfile and NumPy raise for one broken archive or another.
_BROKEN = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, NotImplementedError),
    *(struct.error, zlib.error, zipfile.BadZipFile, SyntaxError),
)
_BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def variables_of(model: keras.Model) -> list[keras.Variable]:
    """Every variable that training changes or draws from, in a fixed order, each once."""
    model.optimizer.build(model.trainable_variables)
    every = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    return list({id(variable): variable for variable in every}.values())


def write_state(path: Path, variables: Sequence[keras.Variable]) -> None:
    """Writes variables; who calls sees to it that half a file is never taken for a whole one."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number, variable in enumerate(variables):
            with archive.open(f"{number}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, _plain(variable), allow_pickle=False)


def is_whole(path: Path) -> bool:
    """Whether every array of a file is what was written."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            stored = all(entry.compress_size == entry.file_size for entry in archive.infolist())
            return stored and archive.testzip() is None
    except (*_BROKEN, RequestError):
        return False


def read_state(path: Path, variables: Sequence[keras.Variable]) -> None:
    """Gives variables the values in a file that `is_whole`.

    Raises:
        RequestError: the file is of another network or optimizer, or broken.
    """
    with open_regular(path) as file, zipfile.ZipFile(file) as archive:
        if (count := len(archive.infolist())) != len(variables):
            raise RequestError(f"{path}: holds {count} variables, this run has {len(variables)}")
        for number, variable in enumerate(variables):
            try:
                array = _read(archive, number, tuple(variable.shape))
            except _BROKEN as error:
                raise RequestError(f"{path}: {variable.path} cannot be read ({escaped(error)})") from None
            if array is None:
                raise RequestError(f"{path}: {variable.path} is of another shape than this run's")
            variable.assign(array.view(_BFLOAT16) if variable.dtype == "bfloat16" else array)


def _read(archive: zipfile.ZipFile, number: int, shape: tuple[int, ...]) -> np.ndarray | None:
    """An array of NumPy's format; None where it is not of this shape. No more is read than the shape asks for."""
    with archive.open(f"{number}.npy") as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        found, fortran, dtype = header(file)
        if found != shape:
            return None
        if dtype.kind not in "biuf":
            raise ValueError(f"{dtype} are no numbers")
        data = file.read(math.prod(shape) * dtype.itemsize)
        return np.frombuffer(data, dtype, math.prod(shape)).reshape(shape, order="F" if fortran else "C")


def _plain(variable: keras.Variable) -> NDArray[Any]:
    """As an array of a type that NumPy's format knows: bfloat16 as its bits."""
    array: NDArray[Any] = variable.numpy()
    return array.view("uint16") if array.dtype == _BFLOAT16 else array
