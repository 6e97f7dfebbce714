"""All that training goes on from, in one file: weights, optimizer, running metrics and random seeds.

The file is a zip of NumPy arrays, one for each variable, written and read one at a time; its checksums tell a damaged
file from a whole one, and nothing in it can run code.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import keras
import ml_dtypes
import numpy as np

from kgpt2.errors import RequestError

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
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


def read_state(path: Path, variables: Sequence[keras.Variable]) -> None:
    """Gives variables the values in a file that `is_whole`.

    Raises:
        RequestError: the file is of another network or optimizer.
    """
    with np.load(path, allow_pickle=False) as archive:
        if len(archive.files) != len(variables):
            raise RequestError(f"{path}: holds {len(archive.files)} variables, this run has {len(variables)}")
        for number, variable in enumerate(variables):
            array = archive[f"{number}"]
            if array.shape != tuple(variable.shape):
                raise RequestError(f"{path}: {variable.path} is of another shape than this run's")
            variable.assign(array.view(_BFLOAT16) if variable.dtype == "bfloat16" else array)


def _plain(variable: keras.Variable) -> np.ndarray:
    """As an array of a type that NumPy's format knows: bfloat16 as its bits."""
    array = variable.numpy()
    return array.view("uint16") if array.dtype == _BFLOAT16 else array
