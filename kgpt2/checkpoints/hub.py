"""Models from the Hugging Face hub, or from a mirror of it: the local cache first, then a download that resumes.

The environment variables are huggingface_hub's own: HF_ENDPOINT, HF_HUB_OFFLINE, HF_HOME, HF_HUB_CACHE, HF_TOKEN.
"""

import os
import re
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from kgpt2.checkpoints import adapter
from kgpt2.checkpoints.hugging_face_tokenizer import FILES as TOKENIZER_FILES
from kgpt2.checkpoints.hugging_face_weights import WEIGHTS, has_weights
from kgpt2.checkpoints.kaggle import reachable
from kgpt2.errors import RequestError, WorkError, quoted
from kgpt2.files import home, read_text

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


def hugging_face_cache() -> Path:
    """huggingface_hub's cache folder (`HF_HUB_CACHE`, or `hub` under `HF_HOME`)."""
    if chosen := os.environ.get("HF_HUB_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("HF_HOME") or home(".cache", "HF_HOME") / "huggingface") / "hub"


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
    repository = hugging_face_cache() / f"models--{name.replace('/', '--')}"
    reference = repository / "refs" / revision
    snapshot = repository / "snapshots" / (_snapshot_of(reference) if reference.is_file() else revision)
    complete = (snapshot / "config.json").is_file() and (
        has_weights(snapshot) or (snapshot / "model.weights.h5").is_file()
    )
    complete = complete or (adapter.is_adapter(snapshot) and adapter.has_adapter_weights(snapshot))
    return snapshot if complete else None


def _snapshot_of(reference: Path) -> str:
    name = read_text(reference, "reference to a snapshot").strip()
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise RequestError(f"{reference}: not the name of a snapshot ({quoted(name)})")
    return name


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
    endpoint = (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise WorkError(_not_here(model, "HF_HUB_OFFLINE is set"))
    address = urllib.parse.urlsplit(endpoint)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise RequestError(f"HF_ENDPOINT: {quoted(endpoint)} is no address, write https://HOST")
    # A quick look first: without a network huggingface_hub retries for half a minute.
    port = address.port or (80 if address.scheme == "http" else 443)
    if not urllib.request.getproxies() and not reachable(address.hostname, port):
        raise WorkError(_not_here(model, f"{address.hostname} cannot be reached"))
    import huggingface_hub
    from huggingface_hub import errors

    try:
        info = huggingface_hub.HfApi(endpoint=endpoint).model_info(name, revision=revision)
        names = _wanted(model, [file.rfilename for file in info.siblings or ()])
        # The weights come last: where they are complete, so is everything else.
        for file in names:
            path = huggingface_hub.hf_hub_download(
                name, file, revision=revision, cache_dir=hugging_face_cache(), endpoint=endpoint
            )
    except RequestError:
        raise
    except errors.GatedRepoError:
        raise WorkError(
            f"{model}: access has to be granted on {endpoint}/{name} first, then log in: hf auth login"
        ) from None
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        kind = "revision" if isinstance(error, errors.RevisionNotFoundError) else "repository"
        raise RequestError(f"{model}: {endpoint} has no such {kind} (or it is private: hf auth login)") from None
    except Exception as error:  # huggingface_hub passes on whatever its transport raises
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise WorkError(_not_here(model, f"the download failed ({reason}); the next one goes on from there")) from error
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


def _not_here(model: str, why: str) -> str:
    return (
        f"{model}: not in the local cache {hugging_face_cache()}, and {why}\n"
        "go online once (HF_ENDPOINT names a mirror), or give a folder that holds its files"
    )
