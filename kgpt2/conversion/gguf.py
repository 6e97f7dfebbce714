"""GGUF, the file that llama.cpp, Ollama and LM Studio read.

Sources: the format, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; what llama.cpp asks of a GPT-2, its
`convert_hf_to_gguf.py` and `src/models/gpt2.cpp`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kgpt2.checkpoints.bpe_tokenizer import BpeTokenizer
from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.errors import RequestError
from kgpt2.extras import require_installed

if TYPE_CHECKING:
    import gguf

_BLOCK = {
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
_OTHERS = {
    "wte.weight": "token_embd.weight",
    "wpe.weight": "position_embd.weight",
    "ln_f.weight": "output_norm.weight",
    "ln_f.bias": "output_norm.bias",
}


def gguf_name(name: str) -> str:
    """llama.cpp's name for a tensor of `Shape.tensors`.

    Example:
        >>> gguf_name("h.0.attn.c_attn.weight")
        'blk.0.attn_qkv.weight'
    """
    if name in _OTHERS:
        return _OTHERS[name]
    _, block, rest = name.split(".", 2)
    layer, kind = rest.rsplit(".", 1)
    return f"blk.{block}.{_BLOCK[layer]}.{kind}"


def require_gguf(checkpoint: Checkpoint) -> None:
    """Looks whether a model can become a GGUF file, before any work is done.

    Raises:
        RequestError: llama.cpp has no GPT-2 with such a vocabulary, or the package gguf is not installed.
    """
    _bpe_tokenizer(checkpoint)
    require_installed("gguf")


def _bpe_tokenizer(checkpoint: Checkpoint) -> BpeTokenizer:
    if not isinstance(checkpoint.tokenizer, BpeTokenizer):
        raise RequestError(
            f"{checkpoint.folder}: a BERT vocabulary; llama.cpp runs GPT-2 with byte-level BPE only, "
            "so this model cannot become a GGUF file"
        )
    return checkpoint.tokenizer


def write_gguf(
    path: Path,
    checkpoint: Checkpoint,
    dtypes: Mapping[str, np.dtype],
    arrays: Iterator[tuple[str, np.ndarray]],
) -> None:
    """Writes a GGUF file, one tensor in memory at a time.

    Vectors and the position embedding are float32 whatever the matrices are, as llama.cpp wants them. llama.cpp puts
    the start token in front of a prompt (add_bos_token), as `kgpt2 generate` does.

    Args:
        path: the file.
        checkpoint: shape and a BPE tokenizer.
        dtypes: of the tensors.
        arrays: names and values, in the order of `Shape.tensors`.
    """
    import gguf

    kinds = {
        "float32": gguf.GGMLQuantizationType.F32,
        "float16": gguf.GGMLQuantizationType.F16,
        "bfloat16": gguf.GGMLQuantizationType.BF16,
    }
    shapes = checkpoint.shape.tensors()
    written = {name: dtypes[name].name if _is_matrix(name, shapes) else "float32" for name in shapes}
    writer = gguf.GGUFWriter(path, "gpt2")
    try:
        _add_description(writer, checkpoint, written["h.0.mlp.c_fc.weight"])
        for name, shape in shapes.items():
            stored = shape[::-1] if _is_linear(name) else shape
            kind = kinds[written[name]]
            size = int(np.prod(shape)) * (4 if kind is kinds["float32"] else 2)
            writer.add_tensor_info(gguf_name(name), stored, np.dtype(np.float32), size, kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name, array in arrays:
            values = array.T if _is_linear(name) else array
            if written[name] == "float32":
                values = values.astype(np.float32)
            writer.write_tensor_data(np.ascontiguousarray(values))
    finally:
        writer.close()


def _add_description(writer: "gguf.GGUFWriter", checkpoint: Checkpoint, dtype: str) -> None:
    import gguf

    shape, tokenizer = checkpoint.shape, _bpe_tokenizer(checkpoint)
    file_types = {
        "float32": gguf.LlamaFileType.ALL_F32,
        "float16": gguf.LlamaFileType.MOSTLY_F16,
        "bfloat16": gguf.LlamaFileType.MOSTLY_BF16,
    }
    writer.add_name(checkpoint.folder.name)
    writer.add_context_length(shape.max_sequence_length)
    writer.add_embedding_length(shape.hidden_dim)
    writer.add_block_count(shape.num_layers)
    writer.add_feed_forward_length(shape.intermediate_dim)
    writer.add_head_count(shape.num_heads)
    writer.add_layer_norm_eps(1e-5)
    writer.add_file_type(file_types[dtype])

    types = dict.fromkeys(range(shape.vocabulary_size), gguf.TokenType.UNUSED)
    tokens = {index: f"[PAD{index}]" for index in types}
    for token, index in tokenizer.token_to_id.items():
        tokens[index], types[index] = token, gguf.TokenType.NORMAL
    for token in tokenizer.added_tokens:
        types[tokenizer.token_to_id[token]] = gguf.TokenType.USER_DEFINED
    for index in tokenizer.special_ids:
        types[index] = gguf.TokenType.CONTROL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(list(tokens.values()))
    writer.add_token_types(list(types.values()))
    writer.add_token_merges([" ".join(pair) for pair in tokenizer.merges])
    writer.add_bos_token_id(tokenizer.start_id)
    writer.add_eos_token_id(tokenizer.end_id)
    writer.add_add_bos_token(True)


def _is_linear(name: str) -> bool:
    """Matrices of the blocks are (in, out) in GPT-2's files and (out, in) in llama.cpp's."""
    return name.startswith("h.") and name.endswith(("attn.weight", "proj.weight", "fc.weight"))


def _is_matrix(name: str, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    return len(shapes[name]) == 2 and name != "wpe.weight"
