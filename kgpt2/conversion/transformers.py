"""A folder that transformers' `AutoModelForCausalLM` and `AutoTokenizer` load with no extra argument."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from kgpt2.checkpoints.bert_tokenizer import END, MASK, PAD, START, UNKNOWN, BertTokenizer
from kgpt2.checkpoints.bpe_tokenizer import END_OF_TEXT
from kgpt2.checkpoints.checkpoint import Checkpoint, Tokenizer
from kgpt2.checkpoints.formats.safetensors_file import write_safetensors
from kgpt2.files import write_json, write_text


def write_transformers(
    folder: Path,
    checkpoint: Checkpoint,
    dtypes: Mapping[str, np.dtype],
    arrays: Iterator[tuple[str, np.ndarray]],
) -> None:
    """Writes config.json, generation_config.json, the tokenizer's files and model.safetensors.

    Args:
        folder: an empty folder.
        checkpoint: shape and tokenizer.
        dtypes: of the tensors.
        arrays: names and values, in the order of `Shape.tensors`.
    """
    ids = _special_ids(checkpoint.tokenizer)
    write_json(folder / "config.json", _config(checkpoint) | ids)
    pad = {"pad_token_id": ids.get("pad_token_id", ids["eos_token_id"])}
    write_json(folder / "generation_config.json", ids | pad)
    _write_tokenizer(folder, checkpoint)
    shapes = {f"transformer.{name}": (shape, dtypes[name]) for name, shape in checkpoint.shape.tensors().items()}
    renamed = ((f"transformer.{name}", array) for name, array in arrays)
    write_safetensors(folder / "model.safetensors", shapes, renamed)


def _config(checkpoint: Checkpoint) -> dict:
    shape = checkpoint.shape
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": shape.vocabulary_size,
        "n_positions": shape.max_sequence_length,
        "n_ctx": shape.max_sequence_length,
        "n_embd": shape.hidden_dim,
        "n_layer": shape.num_layers,
        "n_head": shape.num_heads,
        "n_inner": None if shape.intermediate_dim == 4 * shape.hidden_dim else shape.intermediate_dim,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "resid_pdrop": shape.dropout,
        "embd_pdrop": shape.dropout,
        "attn_pdrop": shape.dropout,
        "initializer_range": 0.02,
        "tie_word_embeddings": True,
        "use_cache": True,
        "tokenizer_class": _tokenizer_class(checkpoint.tokenizer),
    }


def _special_ids(tokenizer: Tokenizer) -> dict[str, int]:
    ids = {"bos_token_id": tokenizer.start_id, "eos_token_id": tokenizer.end_id}
    # GPT-2's BPE vocabulary has no token for padding.
    return ids | ({"pad_token_id": tokenizer.pad_id} if isinstance(tokenizer, BertTokenizer) else {})


def _tokenizer_class(tokenizer: Tokenizer) -> str:
    return "BertTokenizer" if isinstance(tokenizer, BertTokenizer) else "GPT2Tokenizer"


def _write_tokenizer(folder: Path, checkpoint: Checkpoint) -> None:
    tokenizer = checkpoint.tokenizer
    if isinstance(tokenizer, BertTokenizer):
        roles = {"unk_token": UNKNOWN, "sep_token": END, "pad_token": PAD, "cls_token": START}
        roles["mask_token"] = MASK if MASK in tokenizer.token_to_id else None
        options = {
            "do_lower_case": tokenizer.do_lower_case,
            "strip_accents": tokenizer.strip_accents,
            "tokenize_chinese_chars": True,
        }
        write_text(folder / "vocab.txt", "".join(f"{token}\n" for token in tokenizer.vocabulary))
    else:
        roles = dict.fromkeys(("bos_token", "eos_token", "unk_token"), END_OF_TEXT)
        options = {"add_prefix_space": False}
        merges = "".join(f"{first} {second}\n" for first, second in tokenizer.merges)
        write_json(folder / "vocab.json", tokenizer.token_to_id)
        write_text(folder / "merges.txt", "#version: 0.2\n" + merges)
    whole = {token: True for token in roles.values() if token} | tokenizer.added_tokens
    config = {
        "tokenizer_class": _tokenizer_class(tokenizer),
        "model_max_length": checkpoint.shape.max_sequence_length,
        **options,
        **roles,
        "added_tokens_decoder": {
            str(tokenizer.token_to_id[token]): _added(token, special) for token, special in whole.items()
        },
    }
    write_json(folder / "tokenizer_config.json", config)
    write_json(folder / "special_tokens_map.json", {role: token for role, token in roles.items() if token})


def _added(token: str, special: bool) -> dict:
    flags = dict.fromkeys(("lstrip", "rstrip", "single_word", "normalized"), False)
    return {"content": token, "special": special, **flags}
