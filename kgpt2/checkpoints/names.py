"""From what a user types as MODEL to a checkpoint."""

import difflib
from pathlib import Path

from kgpt2.assets import MODELS, model_path
from kgpt2.checkpoints import hub
from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.checkpoints.hugging_face import read_hugging_face
from kgpt2.checkpoints.kaggle import KERASHUB_PRESETS
from kgpt2.checkpoints.preset import read_preset
from kgpt2.errors import RequestError
from kgpt2.files import read_json, settle, user_path


def read_model(model: str) -> Checkpoint:
    """The checkpoint that MODEL means; what has to be downloaded is.

    Args:
        model: the name of a packaged model or of a KerasHub preset, `hf://org/name[@revision]`, or a folder: a Keras
            preset, a run written by `kgpt2 fit`, or a Hugging Face GPT-2.

    Raises:
        RequestError: there is no such model, or what it means is none or broken.
        WorkError: it has to be downloaded and cannot be.
    """
    folder = _folder(model)
    path = folder / "config.json"
    if not path.is_file():
        raise RequestError(f"{model}: no model in this folder (no config.json: no preset, run or Hugging Face folder)")
    config = read_json(path, "model configuration")
    if isinstance(config, dict) and "registered_name" in config:
        return read_preset(folder)
    if isinstance(config, dict) and "model_type" in config:
        return read_hugging_face(folder)
    raise RequestError(
        f"{path}: not the configuration of a model (neither registered_name, of a Keras preset, "
        "nor model_type, of Hugging Face)"
    )


def _folder(model: str) -> Path:
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
