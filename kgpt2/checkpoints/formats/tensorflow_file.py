"""`tf_model.h5`, as transformers up to version 4 wrote it from TensorFlow."""

import contextlib
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

from kgpt2.checkpoints.formats.hdf5 import open_hdf5
from kgpt2.checkpoints.tensors import StoredTensor, Tensors

# transformer/tfgpt2lm_head_model/transformer/h_._0/attn/c_attn/weight:0, with more or less of the front in other
# versions; the token embedding ends in weight:0 in the versions before 4.31, in embeddings:0 since then.
_NAME = re.compile(r"(?:.*/)?(?P<layer>wte|wpe|ln_f|h_\._\d+/.+)/(?P<kind>weight|embeddings|gamma|beta|bias):0")
_KINDS = {"embeddings": "weight", "gamma": "weight", "beta": "bias"}


@contextlib.contextmanager
def open_tensorflow(path: Path) -> Iterator[Tensors]:
    """The float tensors of a file under the names that the PyTorch files have.

    Raises:
        RequestError: the file is broken.
    """
    with open_hdf5(path) as datasets:
        yield {_pytorch_name(name): _without_row(tensor) for name, tensor in datasets.items()}


def _pytorch_name(name: str) -> str:
    match = _NAME.fullmatch(name)
    if match is None:
        return name
    layer = match["layer"].replace("h_._", "h.").replace("/", ".")
    return f"{layer}.{_KINDS.get(match['kind'], match['kind'])}"


def _without_row(tensor: StoredTensor) -> StoredTensor:
    """TensorFlow keeps the biases of GPT-2's linear layers as a matrix of one row."""
    if len(tensor.shape) != 2 or tensor.shape[0] != 1:
        return tensor
    return dataclasses.replace(tensor, shape=tensor.shape[1:], read=lambda: tensor.read()[0])
