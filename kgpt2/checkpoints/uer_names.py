"""A GPT-2 as UER-py and TencentPretrain store it: the same network under other names, its matrices transposed.

Sources: the names are those of `scripts/convert_gpt2_from_uer_to_huggingface.py` in dbiir/UER-py, and of its versions
before embeddings and targets had names of their own.
"""

import dataclasses
import re
from collections.abc import Mapping

import numpy as np

from kgpt2.checkpoints.shape import Shape
from kgpt2.checkpoints.tensors import StoredTensor, Tensors
from kgpt2.errors import RequestError

_WORDS = ("embedding.word.embedding.weight", "embedding.word_embedding.weight")
_PLAIN = {
    **dict.fromkeys(_WORDS, "wte.weight"),
    "embedding.pos.embedding.weight": "wpe.weight",
    "embedding.position_embedding.weight": "wpe.weight",
    "encoder.layer_norm.gamma": "ln_f.weight",
    "encoder.layer_norm.beta": "ln_f.bias",
    "target.lm.output_layer.weight": "lm_head.weight",
    "target.output_layer.weight": "lm_head.weight",
}
_LAYERS = {
    "self_attn.final_linear": "attn.c_proj",
    "feed_forward.linear_1": "mlp.c_fc",
    "feed_forward.linear_2": "mlp.c_proj",
    "layer_norm_1": "ln_1",
    "layer_norm_2": "ln_2",
}
_KINDS = {"gamma": "weight", "beta": "bias", "weight": "weight", "bias": "bias"}
_BLOCK = re.compile(r"encoder\.transformer\.(\d+)\.(.+)\.(weight|bias|gamma|beta)")
_QUERY = re.compile(r"(encoder\.transformer\.\d+\.self_attn\.linear_layers\.)0(\.(?:weight|bias))")
_WRAPPER = "module."
# Every GPT-2 that UER and OpenAI published has heads of 64, and the weights do not tell how many there are.
_HEAD = 64


def is_native(tensors: Mapping[str, object]) -> bool:
    """Whether a file's tensors have UER-py's names.

    Example:
        >>> is_native({"embedding.word_embedding.weight": None}), is_native({"wte.weight": None})
        (True, False)
    """
    return any(name.removeprefix(_WRAPPER) in _WORDS for name in tensors)


def as_gpt2(tensors: Tensors) -> dict[str, StoredTensor]:
    """The same tensors under GPT-2's names; those that no GPT-2 has keep theirs."""
    plain = {name.removeprefix(_WRAPPER): tensor for name, tensor in tensors.items()}
    renamed: dict[str, StoredTensor] = {}
    for name, tensor in plain.items():
        query, block = _QUERY.fullmatch(name), _BLOCK.fullmatch(name)
        parts = [plain.get(f"{query[1]}{part}{query[2]}") for part in range(3)] if query else []
        if name in _PLAIN:
            renamed[_PLAIN[name]] = tensor
        elif query and block and all(parts):
            renamed[f"h.{block[1]}.attn.c_attn{query[2]}"] = _joined([part for part in parts if part])
        elif block and block[2] in _LAYERS:
            renamed[f"h.{block[1]}.{_LAYERS[block[2]]}.{_KINDS[block[3]]}"] = _transposed(tensor)
        elif not (block and re.fullmatch(r"self_attn\.linear_layers\.[012]", block[2])):
            renamed[name] = tensor
    return renamed


def shape_of(tensors: Tensors, where: str, heads: int | None = None) -> Shape:
    """The shape that native tensors have.

    Args:
        tensors: of a file.
        where: its name, for errors.
        heads: of attention; None: as many as are 64 wide.

    Raises:
        RequestError: there is no such GPT-2.
    """
    found = as_gpt2(tensors)
    try:
        rows, width = found["wte.weight"].shape
        inner = found["h.0.mlp.c_fc.weight"].shape[1]
        positions = found["wpe.weight"].shape[0]
    except (KeyError, IndexError, ValueError):
        raise RequestError(f"{where}: UER-py's names, but not the tensors of its GPT-2") from None
    layers = len({match[1] for name in found if (match := re.match(r"h\.(\d+)\.", name))})
    shape = Shape(rows, layers, heads or max(width // _HEAD, 1), width, inner, positions, 0.1)
    if fault := shape.fault():
        raise RequestError(f"{where}: {fault}, which is no shape of a GPT-2")
    return shape


def _transposed(tensor: StoredTensor) -> StoredTensor:
    return dataclasses.replace(tensor, shape=tensor.shape[::-1], read=lambda: tensor.read().T)


def _joined(parts: list[StoredTensor]) -> StoredTensor:
    """Query, key and value side by side, `(in, 3 x out)`, or their biases one after the other."""
    turned = [_transposed(part) for part in parts]
    shape = (*turned[0].shape[:-1], sum(part.shape[-1] for part in turned if part.shape))
    return StoredTensor(shape, parts[0].dtype, lambda: np.concatenate([part.read() for part in turned], axis=-1))
