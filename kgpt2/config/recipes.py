"""A run configuration out of YAML and overrides, and back; every error names file, line, key and value."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pydantic
import yaml

from kgpt2.config.sections import Config, Section
from kgpt2.config.yaml_text import read_yaml
from kgpt2.errors import RequestError, escaped, quoted
from kgpt2.files import read_text

# What Keras, transformers' TrainingArguments and LoRA, and the articles' scripts call keys otherwise.
_ELSEWHERE = {
    "block_size": "sequence_length",
    "eval_steps": "validate_every",
    "gradient_accumulation_steps": "accumulate",
    "lora_alpha": "alpha",
    "lr": "learning_rate",
    "lr_scheduler_type": "schedule",
    "max_grad_norm": "clip_norm",
    "max_length": "sequence_length",
    "max_steps": "steps",
    "model_name_or_path": "preset",
    "n_ctx": "sequence_length",
    "n_embd": "width",
    "n_head": "heads",
    "n_layer": "layers",
    "num_train_epochs": "epochs",
    "patience": "early_stopping",
    "per_device_train_batch_size": "batch_size",
    "r": "rank",
    "save_steps": "checkpoint_every",
    "save_total_limit": "keep_checkpoints",
    "target_modules": "targets",
    "train_file": "source",
    "validation_file": "validation",
    "validation_split": "validation",
    "warmup_ratio": "warmup",
}


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Reads a run configuration.

    Args:
        path: a YAML file.
        overrides: `key.key=value` each, the value written as in YAML. Choosing one of two keys that exclude each
            other (epochs and steps, preset and from_scratch) sets the file's other one to null.

    Raises:
        RequestError: naming file, line, key and value.
    """
    text = read_text(path, "configuration")
    try:
        tree, values = read_yaml(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise RequestError(f"{path}{line}: not YAML ({escaped(error.problem or error.context)})") from None
    except yaml.YAMLError as error:
        raise RequestError(f"{path}: not YAML ({escaped(error)})") from None
    if not isinstance(values, dict):
        raise RequestError(f"{path}: a configuration is a mapping with the keys {', '.join(Config.model_fields)}")
    given = [_parse_override(override) for override in overrides]
    for keys, value in given:
        _set(values, keys, value)
        for other in _excluded_by(keys, value, {tuple(keys) for keys, _ in given}):
            _set(values, other, None)
    overridden = {tuple(keys) for keys, _ in given}

    def place(keys: tuple[str, ...]) -> str:
        if any(keys == key[: len(keys)] or key == keys[: len(key)] for key in overridden):
            return f"-o {escaped('.'.join(keys))}"
        return f"{path}{_line(tree, keys)}: {escaped('.'.join(keys)) or 'the configuration'}"

    return _validated(values, place)


def config_of(values: Mapping[str, Any]) -> Config:
    """A run configuration out of a mapping with the keys of a YAML file.

    Raises:
        RequestError: naming key and value.

    Example:
        >>> config_of({"model": {"preset": "mini_zh"}, "data": {"source": "samples/tang"}}).train.batch_size
        32
    """
    return _validated(values, lambda keys: escaped(".".join(keys)) or "the configuration")


def dump_config(config: Config) -> str:
    """The configuration as YAML, every key written out."""
    return yaml.safe_dump(config.model_dump(), sort_keys=False, allow_unicode=True)


# Texts to YAML too, with their spaces: "{t}" is no mapping.
_TEMPLATES = (["data", "text"], ["data", "prompt"])
_EXCLUSIVE = [
    (("train", "epochs"), ("train", "steps")),
    (("model", "preset"), ("model", "from_scratch")),
    (("data", "source"), ("data", "texts")),
]


def _excluded_by(keys: list[str], value: Any, overridden: set[tuple[str, ...]]) -> list[list[str]]:
    """The keys that a chosen value rules out, where the user has not set them too."""
    others = []
    for pair in _EXCLUSIVE:
        for chosen, other in (pair, pair[::-1]):
            chosen_here = tuple(keys[: len(chosen)]) == chosen and value is not None
            if chosen_here and not any(key[: len(other)] == other for key in overridden):
                others.append(list(other))
    return others


def _parse_override(override: str) -> tuple[list[str], Any]:
    name, equals, value = override.partition("=")
    keys = name.strip().split(".")
    if not equals or not all(keys):
        raise RequestError(f"-o {override}: write it as key.key=value, for instance -o train.epochs=3")
    try:
        read = read_yaml(value)[1]
    except yaml.YAMLError:
        # A text with a colon or a bracket need not be quoted twice, once for the shell and once for YAML.
        return keys, value
    template = keys in _TEMPLATES and read is not None and value.strip()[:1] not in ("'", '"')
    return keys, value if template else read


def _set(values: dict[str, Any], keys: list[str], value: Any) -> None:
    for depth, key in enumerate(keys[:-1], 1):
        child = values.get(key)
        if child is None:
            child = values[key] = {}
        if not isinstance(child, dict):
            raise RequestError(f"-o {'.'.join(keys)}: {'.'.join(keys[:depth])} is a value, not a section")
        values = child
    values[keys[-1]] = value


def _validated(values: object, place: Callable[[tuple[str, ...]], str]) -> Config:
    """A configuration of values; `place` tells where a user finds a key."""
    try:
        return Config.model_validate(values)
    except pydantic.ValidationError as error:
        # A union reports each of its members: one error a key is enough.
        errors = {_known_path(one["loc"]): one for one in reversed(error.errors())}
        told = [_explain(place(keys), keys, one) for keys, one in list(errors.items())[-2:]]
        raise RequestError("\n".join(told)) from None


def _explain(place: str, keys: tuple[str, ...], error: Mapping[str, Any]) -> str:
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        known = list(_fields_at(keys[:-1]))
        here = _ELSEWHERE.get(keys[-1])
        close = [here] if here in known else difflib.get_close_matches(keys[-1], known, n=1)
        if close:
            return f"{place}: unknown key; did you mean {close[0]}?"
        return f"{place}: unknown key; known keys: {', '.join(known)}"
    if error["type"] == "missing":
        return f"{place}: missing, and there is no default"
    if error["type"] == "value_error":
        return f"{place}: {message}"
    return f"{place}: {quoted(error['input'])} will not do ({message[:1].lower()}{message[1:]})"


def _known_path(location: tuple[int | str, ...]) -> tuple[str, ...]:
    """The keys of an error's place, without what pydantic adds to tell the members of a union apart."""
    keys: list[str] = []
    for part in location:
        if isinstance(part, str) and (part in _fields_at(keys) or _fields_at(keys)):
            keys.append(part)
    return tuple(keys)


def _fields_at(keys: Sequence[str]) -> dict[str, Any]:
    model: Any = Config
    for key in keys:
        field = model.model_fields.get(key) if model else None
        options = (field.annotation, *getattr(field.annotation, "__args__", ())) if field else ()
        model = next((o for o in options if isinstance(o, type) and issubclass(o, Section)), None)
    fields: dict[str, Any] = model.model_fields if model else {}
    return fields


def _line(tree: yaml.Node | None, keys: Sequence[str]) -> str:
    """ ", line N" for the deepest of the keys that stands in the file."""
    line = None
    for key in keys:
        pairs = tree.value if isinstance(tree, yaml.MappingNode) else []
        found = next(((k, v) for k, v in pairs if k.value == key), None)
        if found is None:
            break
        line, tree = found[0].start_mark.line + 1, found[1]
    return f", line {line}" if line else ""
