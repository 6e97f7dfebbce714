"""From what a user types as MODEL to a checkpoint."""

import difflib
import os
from pathlib import Path

from kgpt2.assets import MODELS, model_path
from kgpt2.checkpoints import hub
from kgpt2.checkpoints.adapter import CONFIG, base_of, is_adapter, read_adapter
from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.checkpoints.hugging_face import read_hugging_face
from kgpt2.checkpoints.hugging_face_config import is_gpt2
from kgpt2.checkpoints.hugging_face_weights import has_weights
from kgpt2.checkpoints.kaggle import KERASHUB_PRESETS
from kgpt2.checkpoints.preset import read_preset
from kgpt2.checkpoints.special_tokens import SpecialTokens
from kgpt2.checkpoints.uer import find_native, is_native_name, is_uer_config, read_native
from kgpt2.errors import RequestError, quoted
from kgpt2.files import is_folder, read_json, user_path
from kgpt2.writing import settle

# What OpenAI's models were called before repositories had owners; adapters name their base models so.
_OWNERS = {"gpt2": "openai-community", "distilgpt2": "distilbert"}


def read_model(model: str, tokens: SpecialTokens | None = None, base: str | None = None) -> Checkpoint:
    """The checkpoint that MODEL means; what has to be downloaded is.

    Args:
        model: the name of a packaged model or of a KerasHub preset, `hf://org/name[@revision]`, or a folder: a Keras
            preset, a run written by `kgpt2 fit`, a Hugging Face GPT-2, a LoRA adapter of PEFT, or a checkpoint of
            UER-py (also its `.bin` file).
        tokens: what begins and ends a text and breaks its lines, where a user names it.
        base: the MODEL to which an adapter belongs; None: the one that it names.

    Raises:
        RequestError: there is no such model, or what it means is none or broken.
        WorkError: it has to be downloaded and cannot be.
    """
    place = _place(model)
    if place.is_file():
        return read_native(place, tokens)
    if base is not None and not is_adapter(place):
        raise RequestError(f"--base: {model} is no adapter (it has no {CONFIG}), so it needs no base model")
    if is_adapter(place) and (base is not None or not _is_whole(place)):
        return read_adapter(place, _base(model, place, tokens, base), tokens)
    return _read_folder(place, model, tokens)


def _read_folder(folder: Path, model: str, tokens: SpecialTokens | None) -> Checkpoint:
    """A whole model."""
    path = folder / "config.json"
    described, native = path.is_file(), find_native(folder)
    config = read_json(path, "model configuration") if described else {}
    if native and (not described or is_uer_config(config)):
        return read_native(native, tokens)
    if (folder / "openvino_model.xml").is_file() and not _is_whole(folder):
        raise RequestError(
            f"{model}: an OpenVINO model is an export, which cannot be read back\nname the model that it was made from"
        )
    if not described:
        raise RequestError(f"{model}: no model in this folder (no config.json: no preset, run or Hugging Face folder)")
    if isinstance(config, dict) and "registered_name" in config:
        return read_preset(folder, tokens)
    if isinstance(config, dict) and ("model_type" in config or is_gpt2(config)):
        return read_hugging_face(folder, tokens)
    raise RequestError(
        f"{path}: not the configuration of a model (neither registered_name, of a Keras preset, "
        "nor model_type, of Hugging Face)"
    )


def _is_whole(folder: Path) -> bool:
    return (folder / "config.json").is_file() and (has_weights(folder) or (folder / "model.weights.h5").is_file())


def _base(model: str, folder: Path, tokens: SpecialTokens | None, given: str | None) -> Checkpoint:
    """The model to which an adapter belongs.

    What an adapter names is looked for on this machine; only a user's own hf:// reaches for the network.
    """
    named = base_of(folder)
    found = given or (named if is_folder(Path(named)) else "")
    if not found and named:
        owner = _OWNERS.get(named, _OWNERS["gpt2"] if named.startswith("gpt2-") else "")
        repository = f"hf://{owner}/{named}" if owner else f"hf://{named}"
        here = hub.is_name(repository) and (model.startswith("hf://") or hub.cached(repository))
        found = repository if here else ""
    if not found:
        why = f"its base model {quoted(named, 120)} is not on this machine" if named else "it names no base model"
        raise RequestError(f"{folder / CONFIG}: {why}\n--base MODEL says where it is: a folder, a name or hf://")
    place = _place(found)
    if place.is_dir() and is_adapter(place) and not _is_whole(place):
        raise RequestError(f"{found}: the base model of {model} is an adapter itself, a whole model is needed")
    return read_native(place, tokens) if place.is_file() else _read_folder(place, found, tokens)


def spelled(model: str | os.PathLike[str]) -> str:
    """A model as a user types it: a `Path` is a place, also where a name is spelled like it.

    Example:
        >>> spelled("mini_zh"), spelled(Path("mini_zh")), spelled(Path("/runs/mini_zh"))
        ('mini_zh', './mini_zh', '/runs/mini_zh')
    """
    if isinstance(model, str):
        return model
    path = os.fsdecode(model)
    return path if os.path.isabs(path) else os.path.join(".", path)


def _place(model: str) -> Path:
    """The folder of a model, or its file."""
    if model in MODELS:
        return model_path(model)
    if model in KERASHUB_PRESETS:
        return KERASHUB_PRESETS[model].fetch()
    if model.startswith("hf://"):
        return _within(hub.fetch(model), model)
    folder = user_path(model)
    if not folder.exists():
        settle(folder)
    if folder.is_dir():
        return _within(folder, model)
    if folder.is_file() and is_native_name(folder):
        return folder
    if folder.exists():
        raise RequestError(f"{model}: this is a file, a model is a folder (or a name: `kgpt2 models` lists them)")
    short = {name.rpartition("/")[2]: name for name in hub.UER_MODELS}
    known = (
        {name: name for name in (*MODELS, *KERASHUB_PRESETS)}
        | short
        | {"gpt2": "gpt2_base_en or hf://openai-community/gpt2"}
    )
    close = difflib.get_close_matches(model.rpartition("/")[2], known, n=1)
    hint = f"did you mean {known[close[0]]}? " if close else ""
    raise RequestError(f"{model}: neither a folder that exists nor a known name\n{hint}`kgpt2 models` lists the names")


def _within(folder: Path, model: str) -> Path:
    """The preset in the folder of a run; any other folder itself."""
    if (folder / "config.yaml").is_file() and not (folder / "config.json").exists():
        if not (folder / "preset").is_dir():
            settle(folder / "preset")
        if not (folder / "preset").is_dir():
            raise RequestError(f"{model}: this run has saved no model yet (there is no {folder / 'preset'})")
        return folder / "preset"
    return folder
