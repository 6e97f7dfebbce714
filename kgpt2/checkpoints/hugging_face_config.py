"""`config.json` of a Hugging Face GPT-2: the shape of its network, and what KerasHub's GPT-2 cannot compute."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kgpt2.checkpoints.shape import Shape
from kgpt2.errors import RequestError, quoted

# The tanh approximation of GELU, under each of transformers' names for it.
_TANH_GELU = ("gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate")
# The other names of GPT2Config's keys; where a file has both, transformers takes these.
_OTHER_NAMES = {
    "n_embd": "hidden_size",
    "n_head": "num_attention_heads",
    "n_layer": "num_hidden_layers",
    "n_positions": "max_position_embeddings",
}
# Keys of other networks that share GPT-2's: GPT's activation and CTRL's inner width.
_NOT_GPT2 = {"afn", "dff"}
# What GPT2Config has for the ids of both ends where a file says nothing.
UNTOLD_ID = 50256


def is_gpt2(config: Mapping[str, Any]) -> bool:
    """Whether a configuration describes a GPT-2; before the end of 2019 none said so in words.

    Example:
        >>> is_gpt2({"model_type": "gpt2"}), is_gpt2({"model_type": "bert"})
        (True, False)
    """
    if "model_type" in config:
        return bool(config["model_type"] == "gpt2")
    named = all(key in config or other in config for key, other in list(_OTHER_NAMES.items())[:3])
    return named and not _NOT_GPT2 & config.keys()


def read_shape(path: Path, config: Mapping[str, Any]) -> Shape:
    """The shape of the network.

    Args:
        path: of the configuration, for errors.
        config: its content.

    Raises:
        RequestError: the network is none that KerasHub's GPT-2 computes.

    Example:
        >>> read_shape(Path("config.json"), {"model_type": "gpt2", "vocab_size": 50257}).parameters
        124439808
    """
    if not is_gpt2(config):
        named = "model_type" in config
        kind = f"a {quoted(config['model_type'])}" if named else "none that names itself or has GPT-2's keys"
        raise RequestError(f"{path}: the model is {kind}; kgpt2 reads gpt2")
    _refuse_other_networks(path, config)
    width = _value(config, "n_embd", 768)
    shape = Shape(
        vocabulary_size=config.get("vocab_size", 50257),
        num_layers=_value(config, "n_layer", 12),
        num_heads=_value(config, "n_head", 12),
        hidden_dim=width,
        intermediate_dim=config.get("n_inner") or (4 * width if isinstance(width, int) else width),
        max_sequence_length=_value(config, "n_positions", config.get("n_ctx", 1024)),
        dropout=config.get("resid_pdrop", 0.1),
    )
    if fault := shape.fault(_keys(config)):
        raise RequestError(f"{path}: {fault}, which is no shape of a GPT-2")
    return shape


def told_ids(config: Mapping[str, Any], key: str, size: int) -> list[int]:
    """The ids that a configuration gives for `bos_token_id` or `eos_token_id`, as far as a vocabulary has them.

    Example:
        >>> told_ids({"eos_token_id": [2, 99]}, "eos_token_id", size=50)
        [2]
    """
    ids = config.get(key)
    return [index for index in (ids if isinstance(ids, list) else [ids]) if type(index) is int and 0 <= index < size]


def dropout_notes(config: Mapping[str, Any]) -> Iterator[str]:
    """What becomes of dropouts that differ."""
    rates = {key: config.get(key, 0.1) for key in ("resid_pdrop", "attn_pdrop", "embd_pdrop")}
    if any(rate != rates["resid_pdrop"] for rate in rates.values()):
        listed = ", ".join(f"{key} {quoted(rate)}" for key, rate in rates.items())
        yield f"dropout: KerasHub has one for all, resid_pdrop is kept of {listed} (it matters in training only)"


def _value(config: Mapping[str, Any], key: str, default: object) -> Any:
    return config.get(_key(config, key), default)


def _key(config: Mapping[str, Any], key: str) -> str:
    """What the file calls a key of GPT2Config."""
    return _OTHER_NAMES[key] if _OTHER_NAMES[key] in config else key


def _keys(config: Mapping[str, Any]) -> dict[str, str]:
    """What the file calls the fields of `Shape`."""
    places = _key(config, "n_positions")
    return {
        "vocabulary_size": "vocab_size",
        "num_layers": _key(config, "n_layer"),
        "num_heads": _key(config, "n_head"),
        "hidden_dim": _key(config, "n_embd"),
        "intermediate_dim": "n_inner",
        "max_sequence_length": places if places in config or "n_ctx" not in config else "n_ctx",
        "dropout": "resid_pdrop",
    }


def _refuse_other_networks(path: Path, config: Mapping[str, Any]) -> None:
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
                f"{path}: {key} is {quoted(value)}; KerasHub's GPT-2 computes with {quoted(values[0])} only, "
                "so the model would say other things than it does in transformers"
            )
