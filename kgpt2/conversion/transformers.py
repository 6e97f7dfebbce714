"""A folder that transformers' `pipeline("text-generation")` continues as kgpt2 does, with no extra argument."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kgpt2.checkpoints.bert_tokenizer import MASK, PAD, UNKNOWN, BertTokenizer
from kgpt2.checkpoints.bpe_tokenizer import END_OF_TEXT, BpeTokenizer
from kgpt2.checkpoints.checkpoint import Checkpoint, Tokenizer
from kgpt2.checkpoints.formats.safetensors_file import write_safetensors
from kgpt2.conversion.tokenizer_json import tokenizer_json
from kgpt2.writing import write_json, write_text


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
    write_description(folder, checkpoint)
    shapes = {f"transformer.{name}": (shape, dtypes[name]) for name, shape in checkpoint.shape.tensors().items()}
    renamed = ((f"transformer.{name}", array) for name, array in arrays)
    write_safetensors(folder / "model.safetensors", shapes, renamed)


def write_description(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes all but the weights: config.json, generation_config.json and the tokenizer's files.

    Args:
        folder: an empty folder.
        checkpoint: shape and tokenizer.
    """
    write_json(folder / "config.json", _config(checkpoint) | _special_ids(checkpoint.tokenizer))
    write_json(folder / "generation_config.json", generation_config(checkpoint))
    _write_tokenizer(folder, checkpoint)


def _config(checkpoint: Checkpoint) -> dict[str, Any]:
    shape, newline = checkpoint.shape, checkpoint.tokenizer.newline_id
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
        # transformers keeps what it does not know, and kgpt2 reads it again.
        **({} if newline is None else {"newline_token_id": newline}),
    }


def _special_ids(tokenizer: Tokenizer) -> dict[str, int]:
    ids = {"bos_token_id": tokenizer.start_id, "eos_token_id": tokenizer.end_id}
    # GPT-2's BPE vocabulary has no token for padding.
    return ids | ({"pad_token_id": tokenizer.pad_id} if isinstance(tokenizer, BertTokenizer) else {})


def generation_config(checkpoint: Checkpoint) -> dict[str, Any]:
    """What `generate` starts from: the ids, and those that `kgpt2 generate` forbids by default or always."""
    tokenizer = checkpoint.tokenizer
    ids = _special_ids(tokenizer)
    nobody = range(tokenizer.vocabulary_size, checkpoint.shape.vocabulary_size)
    banned = [*tokenizer.default_bans, *nobody]
    pad = {"pad_token_id": ids.get("pad_token_id", ids["eos_token_id"])}
    return ids | pad | ({"suppress_tokens": banned} if banned else {})


def _write_tokenizer(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes tokenizer.json, which transformers reads, and the vocabulary as older programs want it."""
    tokenizer = checkpoint.tokenizer
    roles: dict[str, str] = {"bos_token": tokenizer.start_token, "eos_token": tokenizer.end_token}
    options: dict[str, Any] = {}
    if isinstance(tokenizer, BertTokenizer):
        roles |= {"unk_token": UNKNOWN, "pad_token": PAD}
        roles |= {"cls_token": tokenizer.start_token, "sep_token": tokenizer.end_token}
        roles |= {"mask_token": MASK} if MASK in tokenizer.token_to_id else {}
        options = {
            "do_lower_case": tokenizer.do_lower_case,
            "strip_accents": tokenizer.strip_accents,
            "tokenize_chinese_chars": True,
        }
        write_text(folder / "vocab.txt", "".join(f"{token}\n" for token in tokenizer.vocabulary))
    else:
        roles |= {"unk_token": END_OF_TEXT} if END_OF_TEXT in tokenizer.token_to_id else {}
        options = {"add_prefix_space": False, "add_bos_token": True}
        merges = "".join(f"{first} {second}\n" for first, second in tokenizer.merges)
        write_json(folder / "vocab.json", tokenizer.token_to_id)
        write_text(folder / "merges.txt", "#version: 0.2\n" + merges)
    described = tokenizer_json(tokenizer)
    added = {str(entry["id"]): {k: v for k, v in entry.items() if k != "id"} for entry in described["added_tokens"]}
    config = {
        "tokenizer_class": _tokenizer_class(tokenizer),
        "model_max_length": checkpoint.shape.max_sequence_length,
        # GPT-2 would add the embeddings of token types, which every sentence of BERT's has, to those of the tokens.
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
        **options,
        **roles,
        "added_tokens_decoder": added,
    }
    write_json(folder / "tokenizer.json", described)
    write_json(folder / "tokenizer_config.json", config)
    write_json(folder / "special_tokens_map.json", roles)


def _tokenizer_class(tokenizer: Tokenizer) -> str:
    """The class that takes tokenizer.json as it is, where GPT2Tokenizer does not do.

    BertTokenizer would put [SEP] behind every prompt. GPT2Tokenizer adds <|endoftext|> to a vocabulary without it, and
    breaks no lines.
    """
    gpt2 = isinstance(tokenizer, BpeTokenizer) and END_OF_TEXT in tokenizer.token_to_id
    return "GPT2Tokenizer" if gpt2 and tokenizer.newline_id is None else "PreTrainedTokenizerFast"
