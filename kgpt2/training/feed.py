"""Batches in the shape that a backend's `fit` takes."""

from typing import Any

import keras
from numpy.typing import NDArray

from kgpt2.data.batches import Batches
from kgpt2.training.devices import process_share


def dataset(batches: Batches, count: int, start: int = 0) -> Any:
    """Batches in the shape that the backend's `fit` takes fastest; may be gone through repeatedly."""
    if keras.config.backend() == "tensorflow":
        from kgpt2.data.tfdata import as_dataset

        return as_dataset(batches, count, start)
    return _Numbered(batches, count, start)


class _Numbered(keras.utils.PyDataset):
    """Batches by number, for the backends that run without TensorFlow."""

    def __init__(self, batches: Batches, count: int, start: int):
        super().__init__()
        self._batches, self._count, self._start = batches, count, start
        self._share, self._shares = process_share()

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Any:
        batch = self._batches.at(self._start + index).as_keras()
        return keras.tree.map_structure(self._own_rows, batch)

    def _own_rows(self, array: NDArray[Any]) -> NDArray[Any]:
        rows = len(array) // self._shares
        return array[self._share * rows : (self._share + 1) * rows]
