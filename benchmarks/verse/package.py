"""The packaged model out of a run: a Hugging Face folder, its matrices as int8 by rows.

    python -m benchmarks.verse.package runs/mini_zh kgpt2/assets/mini_zh

transformers does not read it; `kgpt2 convert mini_zh FOLDER --to transformers` gives a folder that it reads.
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kgpt2.checkpoints.formats.int8_rows import SCALE, rounded
from kgpt2.checkpoints.formats.safetensors_file import open_safetensors, write_safetensors
from kgpt2.checkpoints.hugging_face_weights import ROUNDED
from kgpt2.conversion.convert import convert

WEIGHTS = "model.safetensors"


def main() -> None:
    """Writes the folder over what is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        whole = Path(root) / "whole"
        convert(options.model, whole, "transformers", "float32")
        shrink(whole / WEIGHTS, options.folder / ROUNDED)
        for path in whole.iterdir():
            if path.name not in (WEIGHTS, "tokenizer.json"):  # which vocab.txt gives, too
                shutil.copyfile(path, options.folder / path.name)


def shrink(source: Path, destination: Path) -> None:
    """Copies a file of weights."""
    with open_safetensors(source) as tensors:
        arrays = dict(small(tensors))
    shapes = {name: (array.shape, array.dtype) for name, array in arrays.items()}
    write_safetensors(destination, shapes, iter(arrays.items()))


def small(tensors) -> Iterator[tuple[str, np.ndarray]]:
    """Each tensor as it is stored."""
    for name, tensor in tensors.items():
        array = tensor.read()
        if array.ndim == 2:
            yield from zip((name, name + SCALE), rounded(array), strict=True)
        else:
            yield name, array


if __name__ == "__main__":
    main()
