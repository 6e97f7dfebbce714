"""Matrices as int8 and a scale for each row: a quarter of float32, and whole again where they are read.

A tensor NAME of int8 has its scales beside it as `NAME.scale`; row i is `NAME[i] * NAME.scale[i]`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SCALE = ".scale"
_MOST = 127


def rounded(matrix: NDArray[np.floating[Any]]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A matrix `(rows, columns)` as int8, and the scale of each row, float32 `(rows,)`.

    The greatest magnitude of a row becomes 127, so no weight is off by more than half a scale.

    Example:
        >>> rounded(np.array([[0.5, -1.27]]))
        (array([[  50, -127]], dtype=int8), array([0.01], dtype=float32))
    """
    scales = (np.abs(matrix).max(axis=1) / _MOST).astype(np.float32)
    safe = np.where(scales > 0, scales, 1)[:, None]
    return np.clip(np.rint(matrix / safe), -_MOST, _MOST).astype(np.int8), scales


def whole(matrix: NDArray[np.int8], scales: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """The matrix that was rounded, float32.

    Example:
        >>> whole(np.array([[50, -127]], np.int8), np.array([0.01], np.float32))
        array([[ 0.5 , -1.27]], dtype=float32)
    """
    return matrix.astype(np.float32) * scales.astype(np.float32)[:, None]
