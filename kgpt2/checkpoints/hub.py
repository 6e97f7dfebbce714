"""Models from the Hugging Face hub, or from a mirror of it: the local cache first, then a download that resumes."""

import re
from collections.abc import Iterable
from pathlib import Path

from kgpt2.checkpoints import adapter
from kgpt2.checkpoints.hugging_face_tokenizer import FILES as TOKENIZER_FILES
from kgpt2.checkpoints.hugging_face_weights import WEIGHTS, has_weights
from kgpt2.errors import RequestError
from kgpt2.online import cached_snapshot, hugging_face, hugging_face_cache

_PRESET_FILE = re.compile(r"(config|metadata|preprocessor|task|tokenizer)\.json|assets/tokenizer/[\w.]+")
_NAME = re.compile(r"[\w.-]+/[\w.-]+")
# The Chinese models that docs/models.md describes, and the sizes of their vocabularies.
UER_MODELS = {
    "hf://uer/gpt2-chinese-cluecorpussmall": 21_128,
    "hf://uer/gpt2-chinese-poem": 22_557,
    "hf://uer/gpt2-chinese-couplet": 21_128,
    "hf://uer/gpt2-chinese-lyric": 21_128,
    "hf://uer/gpt2-chinese-ancient": 25_370,
}
_REVISION = re.compile(r"[\w.-]+(/[\w.-]+)*")


def fetch(model: str) -> Path:
    """The folder with the files of `hf://ORGANISATION/NAME[@REVISION]`.

    What is in the cache is taken from there without asking the network whether there is anything newer. A download
    brings the description, the tokenizer and one format of the weights, safetensors if it is there.

    Raises:
        RequestError: the name is malformed, or there is no such repository or revision.
        WorkError: it has to be downloaded and cannot be.
    """
    snapshot = cached(model)
    return snapshot if snapshot is not None else _download(model, *_parts(model))


def cached(model: str) -> Path | None:
    """The folder in the cache with all files of a model; None where it has to be downloaded."""
    name, revision = _parts(model)
    snapshot = cached_snapshot("models", name, revision)
    complete = (snapshot / "config.json").is_file() and (
        has_weights(snapshot) or (snapshot / "model.weights.h5").is_file()
    )
    complete = complete or (adapter.is_adapter(snapshot) and adapter.has_adapter_weights(snapshot))
    return snapshot if complete else None


def is_name(model: str) -> bool:
    """Whether a text is hf://ORGANISATION/NAME, with or without a revision.

    Example:
        >>> is_name("hf://openai-community/gpt2"), is_name("gpt2")
        (True, False)
    """
    try:
        return model.startswith("hf://") and bool(_parts(model))
    except RequestError:
        return False


def _parts(model: str) -> tuple[str, str]:
    """Name and revision in hf://NAME@REVISION; neither can lead out of the cache."""
    name, at, revision = model.removeprefix("hf://").partition("@")
    revision = revision if at else "main"
    parts = (*name.split("/"), *revision.split("/"))
    if not _NAME.fullmatch(name) or not _REVISION.fullmatch(revision) or any(not part.strip(".") for part in parts):
        raise RequestError(f"{model}: write hf://ORGANISATION/NAME, or hf://ORGANISATION/NAME@REVISION")
    return name, revision


def _download(model: str, name: str, revision: str) -> Path:
    def failed(why: str) -> str:
        return (
            f"{model}: not in the local cache {hugging_face_cache()}, and {why}\n"
            "go online once (HF_ENDPOINT names a mirror), or give a folder that holds its files"
        )

    with hugging_face(model, name, failed) as api:
        info = api.model_info(name, revision=revision)
        # The weights come last: where they are complete, so is everything else.
        for file in _wanted(model, [file.rfilename for file in info.siblings or ()]):
            path = api.hf_hub_download(name, file, revision=revision, cache_dir=hugging_face_cache())
    return Path(path).parent


def _wanted(model: str, names: Iterable[str]) -> list[str]:
    """The files to download, the weights last."""
    names = sorted(names)
    if "model.weights.h5" in names:
        return [name for name in names if _PRESET_FILE.fullmatch(name)] + ["model.weights.h5"]
    described = [name for name in names if name in ("config.json", "generation_config.json", *TOKENIZER_FILES)]
    for weights in WEIGHTS:
        stem, suffix = weights.rsplit(".", 1)
        shards = re.compile(rf"{re.escape(stem)}-\d+-of-\d+\.{suffix}")
        if weights in names:
            return [*described, weights]
        if f"{weights}.index.json" in names:
            return [*described, f"{weights}.index.json", *filter(shards.fullmatch, names)]
    for weights in adapter.WEIGHTS:
        if weights in names and adapter.CONFIG in names:
            return [adapter.CONFIG, *described, weights]
    raise RequestError(f"{model}: the repository holds no weights that kgpt2 reads ({', '.join(WEIGHTS)})")
