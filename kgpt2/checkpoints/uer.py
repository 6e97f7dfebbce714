"""A checkpoint as training in UER-py or TencentPretrain leaves it: one `.bin` file, and a vocabulary beside it."""

import contextlib
import dataclasses
import os
import re
from pathlib import Path
from typing import Any

from kgpt2.checkpoints import uer_names
from kgpt2.checkpoints.bert_tokenizer import BertTokenizer
from kgpt2.checkpoints.checkpoint import Checkpoint, Tokenizer
from kgpt2.checkpoints.formats.torch_file import open_torch
from kgpt2.checkpoints.hugging_face import require_rows
from kgpt2.checkpoints.hugging_face_tokenizer import read_hugging_face_tokenizer
from kgpt2.checkpoints.hugging_face_weights import open_files, open_gpt2
from kgpt2.checkpoints.special_tokens import SpecialTokens
from kgpt2.checkpoints.tensors import Tensors
from kgpt2.checkpoints.vocabulary import read_vocabulary
from kgpt2.errors import RequestError, quoted
from kgpt2.files import read_json

# What config.json of UER-py has and no other.
_KEYS = {"heads_num", "layers_num"}
_TANH_GELU = (None, "gelu_fast")


@dataclasses.dataclass(frozen=True)
class UerFile(Checkpoint):
    """A native checkpoint; `open_weights` gives its tensors GPT-2's names.

    Attributes:
        path: the file of weights.
    """

    path: Path = dataclasses.field(kw_only=True)

    def open_weights(self) -> contextlib.AbstractContextManager[Tensors]:
        """See `Checkpoint.open_weights`."""
        return open_gpt2([self.path], open_torch, self.shape, tied=True)


def is_uer_config(config: object) -> bool:
    """Whether a configuration is UER-py's."""
    return isinstance(config, dict) and config.keys() >= _KEYS


def is_native_name(path: Path) -> bool:
    """Whether a file is called as UER-py calls what it saves: NAME.bin, or NAME.bin-STEPS while it trains.

    Example:
        >>> is_native_name(Path("gpt2.bin-100000")), is_native_name(Path("gpt2.safetensors"))
        (True, False)
    """
    return re.fullmatch(r".+\.bin(-\d+)?", path.name) is not None


def find_native(folder: Path) -> Path | None:
    """The one checkpoint of a folder, or of one training the latest; None where there is none, or a choice."""
    steps = {path: int(path.name.rpartition("-")[2]) for path in folder.glob("*.bin-*") if is_native_name(path)}
    whole = sorted(folder.glob("*.bin"))
    if not whole and len({path.name.rpartition("-")[0] for path in steps}) == 1:
        return max(steps, key=steps.__getitem__)
    return whole[0] if len(whole) == 1 else None


def read_native(path: Path, tokens: SpecialTokens | None = None) -> UerFile:
    """Reads the description of a native checkpoint.

    Args:
        path: the `.bin` file; beside it lie a vocabulary (`vocab.txt`, or one file whose name has "vocab" in it) and
            where somebody put it UER-py's config.json, which alone tells the number of heads.
        tokens: what begins and ends a text and breaks its lines, where a user names it.

    Raises:
        RequestError: a file is missing or broken, or the network is no GPT-2 of UER-py.
    """
    folder = path.parent
    config = _config(folder / "config.json")
    if config.get("hidden_act") not in _TANH_GELU:
        raise RequestError(
            f"{folder / 'config.json'}: hidden_act is {quoted(config['hidden_act'])}, GPT-2 has gelu_fast"
        )
    heads = config.get("heads_num")
    with open_files([path], open_torch) as stored:
        if not uer_names.is_native(stored):
            raise RequestError(
                f"{path}: no GPT-2 of UER-py (it lacks embedding.word.embedding.weight)\n"
                "weights of transformers need their config.json beside them, and the folder is the model"
            )
        shape = uer_names.shape_of(stored, str(path), heads)
    tokenizer = _tokenizer(folder, shape.vocabulary_size, tokens)
    require_rows(folder, tokenizer, shape.vocabulary_size)
    each = shape.hidden_dim // shape.num_heads
    guess = f"{path.name} does not tell how many heads attention has: {shape.num_heads} are taken, each {each} wide"
    return UerFile(folder, shape, tokenizer, notes=() if heads else (guess,), path=path)


def _config(path: Path) -> dict[str, Any]:
    """UER-py's configuration; nothing where there is none."""
    config = read_json(path, "model configuration") if os.path.lexists(path) else {}
    return config if isinstance(config, dict) and is_uer_config(config) else {}


def _tokenizer(folder: Path, rows: int, tokens: SpecialTokens | None) -> Tokenizer:
    if (folder / "tokenizer_config.json").is_file():
        return read_hugging_face_tokenizer(folder, {"vocab_size": rows}, tokens)
    named = folder / "vocab.txt"
    files = [named] if named.is_file() else sorted(folder.glob("*vocab*.txt"))
    if len(files) != 1:
        found = ", ".join(file.name for file in files) or "none"
        raise RequestError(f"{folder}: the vocabulary of the model must lie there as vocab.txt ({found} found)")
    vocabulary = read_vocabulary(files[0])
    (tokens or SpecialTokens()).require_in(vocabulary)
    try:
        # As the UER models on Hugging Face have it: marks and Latin letters stay as they are.
        return BertTokenizer(vocabulary, tokens=tokens)
    except ValueError as error:
        raise RequestError(f"{files[0]}: {error}") from None
