"""The weights of a Hugging Face folder: which files hold them, and their tensors under GPT-2's own names."""

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from kgpt2.checkpoints import uer_names
from kgpt2.checkpoints.formats.safetensors_file import open_safetensors
from kgpt2.checkpoints.formats.tensorflow_file import open_tensorflow
from kgpt2.checkpoints.formats.torch_file import open_torch
from kgpt2.checkpoints.shape import Shape
from kgpt2.checkpoints.tensors import StoredTensor, Tensors, require_shapes
from kgpt2.errors import RequestError, escaped, quoted
from kgpt2.files import is_file, open_regular, read_json

Opener = Callable[[Path], contextlib.AbstractContextManager[Tensors]]

# Matrices as int8 by rows, which kgpt2 alone reads: its packaged model.
ROUNDED = "model.int8.safetensors"
# In the order in which they are looked for; an index in front of its shards.
WEIGHTS: dict[str, Opener] = {
    "model.safetensors": open_safetensors,
    ROUNDED: open_safetensors,
    "pytorch_model.bin": open_torch,
    "tf_model.h5": open_tensorflow,
}
# Causal masks, which some versions kept with the weights.
_BUFFER = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)")
# What a repository holds in the place of a large file when git-lfs did not fetch it.
_LFS_POINTER = b"version https://git-lfs"


def has_weights(folder: Path) -> bool:
    """Whether a folder holds all files of one format of weights."""
    try:
        return bool(find_weights(folder))
    except RequestError:
        return False


def find_weights(folder: Path) -> tuple[list[Path], Opener]:
    """The files that hold the weights, and what opens them.

    Raises:
        RequestError: there are none, or a shard is missing.
    """
    for name, opener in WEIGHTS.items():
        if (folder / name).is_file():
            return [folder / name], opener
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _shards(index), opener
    raise RequestError(
        f"{folder}: no weights (none of {', '.join(name for name in WEIGHTS if name != ROUNDED)}, whole or in shards)"
    )


@contextlib.contextmanager
def open_gpt2(files: list[Path], opener: Opener, shape: Shape, tied: bool) -> Iterator[Tensors]:
    """The tensors of `Shape.tensors` in their order; a tied output layer is left out.

    Args:
        files: one, or the shards.
        opener: of their format.
        shape: the network.
        tied: whether the configuration says that the output layer is the token embedding.

    Raises:
        RequestError: the files are broken or do not fit the network.
    """
    with open_files(files, opener) as opened:
        where = str(files[0] if len(files) == 1 else files[0].parent)
        tensors, head = _plain_names(opened)
        if head is not None and "wte.weight" not in tensors and tied:
            # Writers that store a shared tensor once (safetensors' save_model) can keep the head's name alone.
            tensors["wte.weight"], head = head, None
        require_shapes(tensors, shape.tensors(), where)
        if head is not None:
            _require_tied(head, tensors["wte.weight"], where)
        elif not tied and "wte.weight" in tensors:
            raise RequestError(f"{where}: lm_head.weight is missing, and config.json says that it is not the embedding")
        yield {name: tensors[name] for name in shape.tensors()}


@contextlib.contextmanager
def open_files(files: list[Path], opener: Opener) -> Iterator[dict[str, StoredTensor]]:
    """The tensors of all files under the names that they have there.

    Raises:
        RequestError: a file is broken, not fetched, or has a tensor of another one.
    """
    with contextlib.ExitStack() as stack:
        for file in files:
            _refuse_pointer(file)
        tensors: dict[str, StoredTensor] = {}
        for file in files:
            opened = stack.enter_context(opener(file))
            if twice := tensors.keys() & opened.keys():
                raise RequestError(f"{file}: {escaped(min(twice))} is in another shard too")
            tensors.update(opened)
        yield tensors


def _plain_names(tensors: dict[str, StoredTensor]) -> tuple[dict[str, StoredTensor], StoredTensor | None]:
    """Tensors without the words that a wrapper puts in front of their names, and the output layer apart from them."""
    if uer_names.is_native(tensors):
        tensors = uer_names.as_gpt2(tensors)
    # GPT2LMHeadModel puts "transformer." in front, DataParallel "module." before that.
    prefix = next((name[: -len("wpe.weight")] for name in tensors if name.endswith("wpe.weight")), "")
    head = f"{prefix.removesuffix('transformer.')}lm_head.weight"
    plain = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name != head}
    return {name: tensor for name, tensor in plain.items() if not _BUFFER.fullmatch(name)}, tensors.get(head)


def _shards(index: Path) -> list[Path]:
    document = read_json(index, "index of weights")
    names = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(names, dict) or not names or not all(isinstance(name, str) for name in names.values()):
        raise RequestError(f"{index}: not an index of weights (no weight_map)")
    for name in set(names.values()):
        if Path(name).name != name or "\\" in name or name in (".", ".."):
            raise RequestError(f"{index}: refused, the shard {quoted(name)} is not a plain file name")
        if not is_file(index.parent / name):
            raise RequestError(f"{index}: the shard {escaped(name)} is missing; is the download complete?")
    return [index.parent / name for name in sorted(set(names.values()))]


def _refuse_pointer(file: Path) -> None:
    with open_regular(file, "file of weights") as opened:
        if opened.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise RequestError(
                f"{file}: only a pointer of git-lfs, the weights themselves were not fetched\n"
                f"in {file.parent}: git lfs install && git lfs pull"
            )


def _require_tied(head: StoredTensor, embedding: StoredTensor, where: str) -> None:
    if head.shape != embedding.shape or not np.array_equal(head.read(), embedding.read()):
        raise RequestError(
            f"{where}: lm_head.weight differs from the token embedding; GPT-2 ties the two, and so does KerasHub, "
            "so this model cannot be kept as it is"
        )
