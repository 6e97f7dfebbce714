"""A GPT-2 folder as transformers writes it: config.json, a tokenizer, and weights in one of its formats."""

import contextlib
import dataclasses
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from kgpt2.checkpoints.checkpoint import Checkpoint, Tokenizer
from kgpt2.checkpoints.formats.safetensors_file import open_safetensors
from kgpt2.checkpoints.formats.tensorflow_file import open_tensorflow
from kgpt2.checkpoints.formats.torch_file import open_torch
from kgpt2.checkpoints.hugging_face_tokenizer import read_hugging_face_tokenizer
from kgpt2.checkpoints.shape import Shape
from kgpt2.checkpoints.tensors import StoredTensor, Tensors, require_shapes
from kgpt2.errors import RequestError, escaped, quoted
from kgpt2.files import open_regular, read_json

Opener = Callable[[Path], contextlib.AbstractContextManager[Tensors]]

# In the order in which they are looked for; an index in front of its shards.
WEIGHTS: dict[str, Opener] = {
    "model.safetensors": open_safetensors,
    "pytorch_model.bin": open_torch,
    "tf_model.h5": open_tensorflow,
}
# The tanh approximation of GELU, under each of transformers' names for it.
_TANH_GELU = ("gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_accurate")
# Causal masks, which some versions kept with the weights.
_BUFFER = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)")
# An embedding may be filled up to a round number of rows, which computes faster.
_PADDED_TO = (64, 128)
# What a repository holds in the place of a large file when git-lfs did not fetch it.
_LFS_POINTER = b"version https://git-lfs"
# Settings of generation_config.json that kgpt2 has options for, and keeps no defaults of.
_SAMPLING = ("temperature", "top_k", "top_p", "repetition_penalty", "no_repeat_ngram_size", "max_new_tokens")


@dataclasses.dataclass(frozen=True)
class HuggingFaceFolder(Checkpoint):
    """A Hugging Face checkpoint; `open_weights` reads its files in place.

    Attributes:
        tied: whether config.json says that the output layer is the token embedding.
    """

    tied: bool = True

    def open_weights(self) -> contextlib.AbstractContextManager[Tensors]:
        """See `Checkpoint.open_weights`; shards are put together, and a tied output layer is left out."""
        return _open_weights(self.folder, self.shape, self.tied)


def read_hugging_face(folder: Path) -> HuggingFaceFolder:
    """Reads the description of a folder.

    Raises:
        RequestError: a file is missing or broken, or the network is none that KerasHub's GPT-2 computes.
    """
    path = folder / "config.json"
    config = read_json(path, "model configuration")
    if not isinstance(config, dict):
        raise RequestError(f"{path}: not the configuration of a model (a JSON object is expected)")
    if config.get("model_type") != "gpt2":
        raise RequestError(f"{path}: the model is a {quoted(config.get('model_type'))}; kgpt2 reads gpt2")
    _refuse_other_networks(path, config)
    width = config.get("n_embd", 768)
    shape = Shape(
        vocabulary_size=config.get("vocab_size", 50257),
        num_layers=config.get("n_layer", 12),
        num_heads=config.get("n_head", 12),
        hidden_dim=width,
        intermediate_dim=config.get("n_inner") or (4 * width if isinstance(width, int) else width),
        max_sequence_length=config.get("n_positions", config.get("n_ctx", 1024)),
        dropout=config.get("resid_pdrop", 0.1),
    )
    if fault := shape.fault():
        raise RequestError(f"{path}: {fault}, which is no shape of a GPT-2")
    tokenizer = read_hugging_face_tokenizer(folder)
    _require_fit(folder, tokenizer, shape.vocabulary_size)
    _weights_file(folder)
    tied = config.get("tie_word_embeddings") is not False
    return HuggingFaceFolder(folder, shape, tokenizer, notes=tuple(_notes(folder, config, tokenizer)), tied=tied)


def has_weights(folder: Path) -> bool:
    """Whether a folder holds all files of one format of weights."""
    try:
        return bool(_weights_file(folder))
    except RequestError:
        return False


def _refuse_other_networks(path: Path, config: dict) -> None:
    wanted = {
        "layer_norm_epsilon": (1e-5,),
        "activation_function": _TANH_GELU,
        "scale_attn_weights": (True,),
        "scale_attn_by_inverse_layer_idx": (False,),
        "add_cross_attention": (False,),
        "quantization_config": (None,),
    }
    for key, values in wanted.items():
        value = config.get(key, values[0])
        if value not in values:
            raise RequestError(
                f"{path}: {key} is {quoted(value)}; KerasHub's GPT-2 computes with {values[0]!r} only, "
                "so the model would say other things than it does in transformers"
            )


def _require_fit(folder: Path, tokenizer: Tokenizer, rows: int) -> None:
    size = tokenizer.vocabulary_size
    padded = {-(-size // step) * step for step in _PADDED_TO}
    if rows != size and rows not in padded:
        raise RequestError(
            f"{folder}: the vocabulary has {size} tokens, the embedding of config.json {rows} (and that is not {size} "
            "filled up to a multiple of 64): they do not belong together\ntake the tokenizer files of the same revision"
        )


def _notes(folder: Path, config: dict, tokenizer: Tokenizer) -> Iterator[str]:
    rates = {key: config.get(key, 0.1) for key in ("resid_pdrop", "attn_pdrop", "embd_pdrop")}
    if any(rate != rates["resid_pdrop"] for rate in rates.values()):
        listed = ", ".join(f"{key} {quoted(rate)}" for key, rate in rates.items())
        yield f"dropout: KerasHub has one for all, resid_pdrop is kept of {listed} (it matters in training only)"
    ends = config.get("eos_token_id")
    ends = ends if isinstance(ends, list) else [ends]
    others = [index for index in ends if isinstance(index, int) and 0 <= index < tokenizer.vocabulary_size]
    if others and others != [tokenizer.end_id]:
        yield (
            f"config.json ends texts at {', '.join(map(str, others))}; "
            f"here they end at {tokenizer.end_id} ({tokenizer.end_token})"
        )
    path = folder / "generation_config.json"
    generation = read_json(path) if os.path.lexists(path) else {}
    kept = [key for key in _SAMPLING if generation.get(key) is not None] if isinstance(generation, dict) else []
    if kept:
        yield f"generation_config.json's {', '.join(kept)} are not kept: they are options of `kgpt2 generate`"


def _weights_file(folder: Path) -> tuple[list[Path], Opener]:
    """The files that hold the weights, and what opens them."""
    for name, opener in WEIGHTS.items():
        if (folder / name).is_file():
            return [folder / name], opener
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _shards(index), opener
    raise RequestError(f"{folder}: no weights (none of {', '.join(WEIGHTS)}, whole or in shards)")


def _shards(index: Path) -> list[Path]:
    document = read_json(index, "index of weights")
    names = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(names, dict) or not names or not all(isinstance(name, str) for name in names.values()):
        raise RequestError(f"{index}: not an index of weights (no weight_map)")
    for name in set(names.values()):
        if Path(name).name != name or "\\" in name or name in (".", ".."):
            raise RequestError(f"{index}: refused, the shard {quoted(name)} is not a plain file name")
        if not (index.parent / name).is_file():
            raise RequestError(f"{index}: the shard {escaped(name)} is missing; is the download complete?")
    return [index.parent / name for name in sorted(set(names.values()))]


@contextlib.contextmanager
def _open_weights(folder: Path, shape: Shape, tied: bool) -> Iterator[Tensors]:
    files, opener = _weights_file(folder)
    with contextlib.ExitStack() as stack:
        for file in files:
            _refuse_pointer(file)
        tensors: dict[str, StoredTensor] = {}
        for file in files:
            opened = stack.enter_context(opener(file))
            if twice := tensors.keys() & opened.keys():
                raise RequestError(f"{file}: {escaped(min(twice))} is in another shard too")
            tensors.update(opened)
        where = str(files[0] if len(files) == 1 else folder)
        # GPT2LMHeadModel puts "transformer." in front, DataParallel "module." before that.
        prefix = next((name.removesuffix("wte.weight") for name in tensors if name.endswith("wte.weight")), "")
        head = tensors.pop(f"{prefix.removesuffix('transformer.')}lm_head.weight", None)
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
        tensors = {name: tensor for name, tensor in tensors.items() if not _BUFFER.fullmatch(name)}
        require_shapes(tensors, shape.tensors(), where)
        if head is not None:
            _require_tied(head, tensors["wte.weight"], where)
        elif not tied:
            raise RequestError(f"{where}: lm_head.weight is missing, and config.json says that it is not the embedding")
        yield {name: tensors[name] for name in shape.tensors()}


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
