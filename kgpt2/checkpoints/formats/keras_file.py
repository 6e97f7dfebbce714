"""`model.weights.h5` of a Keras preset, under GPT-2's own names: the layout that Keras gives a KerasHub backbone."""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np

from kgpt2.checkpoints.formats.hdf5 import open_hdf5
from kgpt2.checkpoints.shape import Shape
from kgpt2.checkpoints.tensors import DTYPES, StoredTensor, Tensors
from kgpt2.errors import RequestError, escaped, quoted

# What GPT-2 calls a layer of a block, and where Keras keeps it.
_BLOCK = {
    "ln_1": ("_self_attention_layer_norm",),
    "attn.c_attn": tuple(f"_self_attention_layer/{part}_dense" for part in ("query", "key", "value")),
    "attn.c_proj": ("_self_attention_layer/output_dense",),
    "ln_2": ("_feedforward_layer_norm",),
    "mlp.c_fc": ("_feedforward_intermediate_dense",),
    "mlp.c_proj": ("_feedforward_output_dense",),
}


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a GPT-2 tensor lies in Keras' file: as one dataset, or side by side as several (query, key, value).

    Attributes:
        paths: the datasets.
        shape: of each of them.
    """

    paths: tuple[str, ...]
    shape: tuple[int, ...]


def keras_places(shape: Shape) -> dict[str, Place]:
    """The place of every tensor of a network, by GPT-2's name.

    Example:
        >>> shape = Shape(50257, 12, 12, 768, 3072, 1024, 0.1)
        >>> keras_places(shape)["wte.weight"]
        Place(paths=('layers/reversible_embedding/vars/0',), shape=(50257, 768))
    """
    width, heads = shape.hidden_dim, shape.num_heads
    head = (heads, width // heads)
    shapes = {
        "ln_1": ((width,), (width,)),
        "attn.c_attn": ((width, *head), head),
        "attn.c_proj": ((*head, width), (width,)),
        "ln_2": ((width,), (width,)),
        "mlp.c_fc": ((width, shape.intermediate_dim), (shape.intermediate_dim,)),
        "mlp.c_proj": ((shape.intermediate_dim, width), (width,)),
    }
    places = {
        "wte.weight": _place(["layers/reversible_embedding"], 0, (shape.vocabulary_size, width)),
        "wpe.weight": _place(["layers/position_embedding"], 0, (shape.max_sequence_length, width)),
    }
    for block in range(shape.num_layers):
        group = f"layers/transformer_decoder{f'_{block}' if block else ''}"
        for layer, parts in _BLOCK.items():
            for index, kind in enumerate(("weight", "bias")):
                paths = [f"{group}/{part}" for part in parts]
                places[f"h.{block}.{layer}.{kind}"] = _place(paths, index, shapes[layer][index])
    for index, kind in enumerate(("weight", "bias")):
        places[f"ln_f.{kind}"] = _place(["layers/layer_normalization"], index, (width,))
    return places


@contextlib.contextmanager
def open_keras(path: Path, shape: Shape) -> Iterator[Tensors]:
    """The tensors of a backbone's file under GPT-2's names and in GPT-2's shapes.

    Raises:
        RequestError: the file is broken, or a dataset is missing or of another shape.
    """
    with open_hdf5(path) as datasets:
        found = {_plain(name): tensor for name, tensor in datasets.items()}
        shapes = shape.tensors()
        tensors: dict[str, StoredTensor] = {}
        used: set[str] = set()
        for name, place in keras_places(shape).items():
            used.update(map(_plain, place.paths))
            parts = [_part(path, found, part, place.shape) for part in place.paths]
            tensors[name] = _joined(parts, shapes[name])
        surplus = sorted(set(found) - used)
        if surplus:
            raise RequestError(f"{path}: the weights do not fit config.json ({escaped(surplus[0])} is too many)")
        yield tensors


def _part(path: Path, found: Tensors, name: str, shape: tuple[int, ...]) -> StoredTensor:
    tensor = found.get(_plain(name))
    if tensor is None:
        raise RequestError(f"{path}: the weights do not fit config.json ({name} is missing)")
    if tensor.shape != shape:
        raise RequestError(
            f"{path}: the weights do not fit config.json ({name} is {quoted(tensor.shape)}, not {shape})"
        )
    return tensor


def write_keras(path: Path, shape: Shape, arrays: Iterable[tuple[str, np.ndarray]]) -> None:
    """Writes a file that a KerasHub GPT-2 backbone loads, holding one tensor in memory at a time.

    Args:
        path: the file.
        shape: the network.
        arrays: GPT-2's names and arrays.
    """
    places = keras_places(shape)
    with h5py.File(path, "w") as file:
        for name, array in arrays:
            place = places[name]
            for part, values in zip(place.paths, split(array, len(place.paths)), strict=True):
                dataset = file.create_dataset(part, data=_storable(values.reshape(place.shape)))
                if array.dtype == DTYPES["bfloat16"]:
                    dataset.attrs["dtype"] = "bfloat16"


def split(array: np.ndarray, parts: int) -> list[np.ndarray]:
    """An array cut along its last axis, `(..., parts x n)` to `(..., n)`: Keras keeps query, key and value apart.

    Example:
        >>> [part.tolist() for part in split(np.arange(6), 3)]
        [[0, 1], [2, 3], [4, 5]]
    """
    return np.split(array, parts, axis=-1)


def _storable(array: np.ndarray) -> np.ndarray:
    # HDF5 has no bfloat16; Keras writes two opaque bytes for each, and a mark.
    return array.view("V2") if array.dtype == DTYPES["bfloat16"] else array


def _joined(parts: list[StoredTensor], shape: tuple[int, ...]) -> StoredTensor:
    part_shape = (*shape[:-1], shape[-1] // len(parts))

    def read() -> np.ndarray:
        return np.concatenate([part.read().reshape(part_shape) for part in parts], axis=-1)

    return StoredTensor(shape, parts[0].dtype, read)


def _place(layers: Iterable[str], index: int, shape: tuple[int, ...]) -> Place:
    return Place(tuple(f"{layer}/vars/{index}" for layer in layers), shape)


def _plain(path: str) -> str:
    """Versions of Keras differ in the underscore before the name of a layer."""
    return "/".join(part.lstrip("_") for part in path.split("/"))
