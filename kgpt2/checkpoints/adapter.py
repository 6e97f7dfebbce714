"""A LoRA adapter as PEFT saves it: low-rank changes that are added to the weights of a base model as they are read.

Source: the arithmetic is that of `peft.tuners.lora` (`get_delta_weight`, and DoRA's `merge_safe`).
"""

import contextlib
import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.checkpoints.formats.safetensors_file import open_safetensors
from kgpt2.checkpoints.formats.torch_file import open_torch
from kgpt2.checkpoints.hugging_face import require_rows
from kgpt2.checkpoints.hugging_face_tokenizer import has_tokenizer, read_hugging_face_tokenizer
from kgpt2.checkpoints.hugging_face_weights import Opener, open_files
from kgpt2.checkpoints.special_tokens import SpecialTokens
from kgpt2.checkpoints.tensors import DTYPES, StoredTensor, Tensors, require_shapes
from kgpt2.errors import RequestError, quoted
from kgpt2.files import read_json

CONFIG = "adapter_config.json"
WEIGHTS: dict[str, Opener] = {"adapter_model.safetensors": open_safetensors, "adapter_model.bin": open_torch}
# Ways to begin that leave the base model as it was; all others change it, and an adapter does not say how.
_PLAIN_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")
# Variants whose tensors mean something else than a product of two matrices.
_VARIANTS = (
    *("layer_replication", "use_qalora", "use_bdlora", "arrow_config", "alora_invocation_tokens"),
    *("monteclora_config", "target_parameters", "trainable_token_indices"),
)
_PART = re.compile(
    r"(?P<layer>.+)\.(?P<part>lora_A|lora_B|lora_embedding_A|lora_embedding_B|lora_magnitude_vector)"
    r"(?:\.default)?(?P<kind>\.weight|\.bias)?"
)
_WRAPPERS = ("base_model.model.", "transformer.")


@dataclasses.dataclass(frozen=True)
class Adapter(Checkpoint):
    """A base model and what an adapter adds to it; `open_weights` gives the sums.

    Attributes:
        base: the model that the adapter was trained on.
        config: adapter_config.json.
    """

    base: Checkpoint = dataclasses.field(kw_only=True)
    config: Mapping[str, Any] = dataclasses.field(kw_only=True)

    @property
    def folders(self) -> tuple[Path, ...]:
        return self.folder, *self.base.folders

    @contextlib.contextmanager
    def open_weights(self) -> Iterator[Tensors]:
        """See `Checkpoint.open_weights`; what the adapter changes is float32."""
        path, opener = _weights_file(self.folder)
        with self.base.open_weights() as tensors, open_files([path], opener) as stored:
            merged = _merged(dict(tensors), _plain(stored), self.config, str(path))
            require_shapes(merged, self.shape.tensors(), str(path))
            yield {name: merged[name] for name in self.shape.tensors()}


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter, whatever else lies in it."""
    return (folder / CONFIG).is_file()


def has_adapter_weights(folder: Path) -> bool:
    """Whether a folder holds the weights of an adapter."""
    return any((folder / name).is_file() for name in WEIGHTS)


def base_of(folder: Path) -> str:
    """The base model that an adapter names, as it stands there; "" where it names none."""
    name = _config(folder).get("base_model_name_or_path")
    return name if isinstance(name, str) else ""


def read_adapter(folder: Path, base: Checkpoint, tokens: SpecialTokens | None = None) -> Adapter:
    """Reads the description of an adapter.

    Args:
        folder: of the adapter; a tokenizer in it counts more than the base model's.
        base: the model to which it belongs.
        tokens: what begins and ends a text and breaks its lines, where a user names it.

    Raises:
        RequestError: a file is missing or broken, or the adapter is none that can be added to a GPT-2's weights.
    """
    config = _config(folder)
    _refuse_other_methods(folder / CONFIG, config)
    path, opener = _weights_file(folder)
    with open_files([path], opener) as stored:
        found = _plain(stored)
    rows = found["wte.weight"].shape[0] if found.get("wte.weight") and found["wte.weight"].shape else None
    shape = dataclasses.replace(base.shape, vocabulary_size=rows or base.shape.vocabulary_size)
    tokenizer = base.tokenizer
    if has_tokenizer(folder):
        tokenizer = read_hugging_face_tokenizer(folder, {"vocab_size": shape.vocabulary_size}, tokens)
    require_rows(folder, tokenizer, shape.vocabulary_size)
    return Adapter(folder, shape, tokenizer, base.sequence_length, base.notes, base=base, config=config)


def _config(folder: Path) -> dict[str, Any]:
    config = read_json(folder / CONFIG, "description of an adapter")
    if not isinstance(config, dict):
        raise RequestError(f"{folder / CONFIG}: not the description of an adapter (a JSON object is expected)")
    return config


def _weights_file(folder: Path) -> tuple[Path, Opener]:
    for name, opener in WEIGHTS.items():
        if (folder / name).is_file():
            return folder / name, opener
    raise RequestError(f"{folder}: the adapter has no weights (none of {', '.join(WEIGHTS)})")


def _refuse_other_methods(path: Path, config: Mapping[str, Any]) -> None:
    if config.get("peft_type") != "LORA":
        raise RequestError(f"{path}: peft_type is {quoted(config.get('peft_type'))}; kgpt2 merges LORA adapters")
    for name in _VARIANTS:
        if config.get(name):
            raise RequestError(f"{path}: {name} is set, which kgpt2 does not merge; merge_and_unload() in PEFT does")
    if config.get("init_lora_weights") not in _PLAIN_STARTS:
        raise RequestError(
            f"{path}: init_lora_weights is {quoted(config['init_lora_weights'])}, which changes the base model too\n"
            "merge it in PEFT (merge_and_unload) and give the whole model"
        )
    for name in ("lora_alpha", "r"):
        if not _is_scale(config.get(name)):
            raise RequestError(f"{path}: {name} is {quoted(config.get(name))}, a number above 0 is expected")
    patterns = config.get("alpha_pattern") or {}
    if not isinstance(patterns, dict) or not all(map(_is_scale, patterns.values())):
        raise RequestError(f"{path}: alpha_pattern is {quoted(patterns)}, numbers above 0 by layers are expected")


def _is_scale(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and 0 < value < 2**31


def _plain(tensors: Tensors) -> dict[str, StoredTensor]:
    """Tensors under GPT-2's own names, without the words that PEFT and transformers put in front of them."""
    plain = {}
    for name, tensor in tensors.items():
        for word in _WRAPPERS:
            name = name.removeprefix(word)
        plain[name.replace(".base_layer.", ".").replace(".modules_to_save.", ".")] = tensor
    return plain


def _merged(
    base: dict[str, StoredTensor], found: Mapping[str, StoredTensor], config: Mapping[str, Any], where: str
) -> dict[str, StoredTensor]:
    """The tensors of the base model with what an adapter replaces and adds."""
    layers: dict[str, dict[str, StoredTensor]] = {}
    whole = {}
    for name, tensor in found.items():
        if match := _PART.fullmatch(name):
            part = match["part"].replace("lora_embedding_", "lora_") + (match["kind"] or ".weight")
            layers.setdefault(match["layer"], {})[part] = tensor
        else:
            whole[name] = tensor
    _require_tied(layers, whole, where)
    surplus = sorted(whole.keys() - base.keys()) + sorted(layer for layer in layers if f"{layer}.weight" not in base)
    if surplus:
        raise RequestError(f"{where}: {quoted(surplus[0], 80)} is nothing that the base model has; is it another base?")
    merged = base | whole
    for layer, parts in layers.items():
        scale = _scale(layer, parts, config, where)
        merged[f"{layer}.weight"] = _sum(f"{layer}.weight", merged[f"{layer}.weight"], parts, scale, where)
        if "lora_B.bias" in parts:
            bias, added = merged.get(f"{layer}.bias"), parts["lora_B.bias"]
            if bias is None or bias.shape != added.shape:
                raise RequestError(f"{where}: the bias of {layer} is of another shape; is it another base?")
            merged[f"{layer}.bias"] = _lazily(bias.shape, _plus(bias, added, scale))
    return merged


def _require_tied(layers: Mapping[str, object], whole: dict[str, StoredTensor], where: str) -> None:
    """GPT-2's output layer is its token embedding: an adapter may change both alike, or none."""
    head, embedding = whole.pop("lm_head.weight", None), whole.get("wte.weight")
    alike = (head is None) == (embedding is None)
    if head is not None and embedding is not None:
        alike = head.shape == embedding.shape and np.array_equal(head.read(), embedding.read())
    if not alike or {"wte", "lm_head"} & layers.keys():
        raise RequestError(
            f"{where}: it changes the token embedding or the output layer alone; GPT-2 ties the two, and so does "
            "KerasHub, so this adapter cannot be merged"
        )


def _scale(layer: str, parts: Mapping[str, StoredTensor], config: Mapping[str, Any], where: str) -> float:
    """What the product of the factors is multiplied by."""
    first = parts.get("lora_A.weight")
    second = parts.get("lora_B.weight")
    if first is None or second is None or not len(first.shape) == len(second.shape) == 2 or not first.shape[0]:
        raise RequestError(f"{where}: {quoted(layer, 80)} lacks one of its two factors")
    alpha = float(config["lora_alpha"])
    for pattern, value in (config.get("alpha_pattern") or {}).items():
        # PEFT reads a regular expression; a stranger's could run for ever, so only plain ends of names are read.
        plain = pattern.removeprefix("^").replace("\\.", ".")
        if not re.fullmatch(r"[\w.]+", plain):
            raise RequestError(f"{where}: alpha_pattern {quoted(pattern, 60)} is more than the end of a name")
        if f".transformer.{layer}".endswith(f".{plain}"):
            alpha = float(value)
            break
    rank = first.shape[0]
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _sum(name: str, stored: StoredTensor, parts: Mapping[str, StoredTensor], scale: float, where: str) -> StoredTensor:
    """A matrix `(in, out)` and the scaled product of its factors A `(rank, in)` and B `(out, rank)`."""
    first, second = parts["lora_A.weight"], parts["lora_B.weight"]
    magnitude = parts.get("lora_magnitude_vector.weight")
    fits = (second.shape[0], first.shape[1]) == stored.shape[::-1] and second.shape[1] == first.shape[0]
    if not fits or (magnitude is not None and magnitude.shape != stored.shape[1:]):
        shapes = ", ".join(str(part.shape) for part in parts.values())
        raise RequestError(f"{where}: {name} is {stored.shape}, and {shapes} do not fit it; is it another base?")

    def read() -> np.ndarray:
        product = np.asarray(second.read(), np.float32) @ np.asarray(first.read(), np.float32)
        weight = np.asarray(stored.read(), np.float32) + np.float32(scale) * product.T
        if magnitude is not None:  # DoRA: the columns keep their direction alone
            weight *= np.asarray(magnitude.read(), np.float32) / np.linalg.norm(weight, axis=0)
        return weight

    return _lazily(stored.shape, read)


def _plus(stored: StoredTensor, other: StoredTensor, scale: float) -> Callable[[], np.ndarray]:
    return lambda: np.asarray(stored.read(), np.float32) + np.float32(scale) * np.asarray(other.read(), np.float32)


def _lazily(shape: tuple[int, ...], read: Callable[[], np.ndarray]) -> StoredTensor:
    return StoredTensor(shape, DTYPES["float32"], read)
