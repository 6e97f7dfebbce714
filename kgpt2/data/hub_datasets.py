"""Datasets of the Hugging Face hub: what a SPEC asks for, and the files out of the hub's cache or the hub itself.

A repository is read as data: a script in it is never run.
"""

import contextlib
import dataclasses
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from kgpt2.cache import cache_folder, tell_unkept
from kgpt2.data.hub_splits import CARD, files_of
from kgpt2.errors import RequestError, WorkError
from kgpt2.files import read_object, read_text
from kgpt2.online import cached_snapshot, hugging_face, hugging_face_cache
from kgpt2.writing import write_json

PREFIX = "hf://datasets/"
_SPEC = re.compile(
    r"hf://datasets/(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>refs/(?:convert|pr)/[\w.-]+|[\w.-]+))?"
    r"(?:/(?P<path>[^:\\\0]+))?(?::(?P<split>[\w.-]+))?"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclasses.dataclass(frozen=True)
class Dataset:
    """What `hf://datasets/ORGANISATION/NAME[@REVISION][/PATH][:SPLIT]` asks for.

    Attributes:
        name: ORGANISATION/NAME.
        revision: a branch, a tag or a commit.
        path: a folder or a file in the repository; "": all of it.
        split: "": train, where there are splits.
    """

    name: str
    revision: str = "main"
    path: str = ""
    split: str = ""

    def __str__(self) -> str:
        revision = "" if self.revision == "main" else f"@{self.revision}"
        return f"{PREFIX}{self.name}{revision}{self.path and f'/{self.path}'}{self.split and f':{self.split}'}"


def dataset_of(spec: str) -> Dataset:
    """A SPEC taken apart; neither name, revision nor path can lead out of the cache.

    Raises:
        RequestError: it is none.

    Example:
        >>> dataset_of("hf://datasets/someone/poems:test")
        Dataset(name='someone/poems', revision='main', path='', split='test')
    """
    match = _SPEC.fullmatch(spec)
    if match is None or not all(_stays_inside(part) for part in match.groups() if part):
        raise RequestError(f"{spec}: write hf://datasets/ORGANISATION/NAME, with @REVISION, /PATH, :SPLIT behind it")
    return Dataset(**{key: value for key, value in match.groupdict().items() if value})


def is_the_same(then: str, now: str) -> bool:
    """Whether two SPECs mean the same but for a revision that one of them does not pin.

    Example:
        >>> is_the_same(f"hf://datasets/someone/poems@{'a' * 40}:train", "hf://datasets/someone/poems")
        True
    """
    if not then.startswith(PREFIX) or not now.startswith(PREFIX):
        return then == now
    old, new = dataset_of(then), dataset_of(now)
    pinned = old.revision == new.revision or not (_COMMIT.fullmatch(old.revision) and _COMMIT.fullmatch(new.revision))
    return pinned and (old.name, old.path) == (new.name, new.path) and (old.split or "train") == (new.split or "train")


def fetch(dataset: Dataset) -> tuple[list[Path], Dataset]:
    """The files that a dataset asks for, and the dataset with its commit and its split.

    What is in huggingface_hub's cache is taken from there without asking the network whether there is anything newer.

    Returns:
        Paths in that cache, in the order of their names; the dataset, its split "" where the repository has none.

    Raises:
        RequestError: there is no such repository, revision, path or split, or no file that kgpt2 reads.
        WorkError: files have to be downloaded and cannot be.
    """
    snapshot, names = _listed(dataset)
    card = _bring(dataset, snapshot, [CARD])[0] if CARD in names else None
    text = read_text(card, "description of a dataset") if card else ""
    files, split = files_of(names, text, dataset.path, dataset.split, str(dataset))
    return _bring(dataset, snapshot, files), dataclasses.replace(dataset, revision=snapshot.name, split=split)


def _listed(dataset: Dataset) -> tuple[Path, list[str]]:
    """Where the cache has, or will have, the files of a revision, and the names of them all.

    The names are kept in kgpt2's own cache: huggingface_hub's does not tell half a download from a whole one.
    """
    snapshot = cached_snapshot("datasets", dataset.name, dataset.revision)
    if (known := _kept_names(dataset, snapshot.name)) is not None:
        return snapshot, known
    try:
        with hugging_face(str(dataset), f"datasets/{dataset.name}", lambda why: _not_here(dataset, why)) as api:
            info = api.dataset_info(dataset.name, revision=dataset.revision)
    except WorkError:
        if not snapshot.is_dir():
            raise
        # Somebody else has downloaded it: what lies there counts.
        names = [path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()]
        return snapshot, sorted(names)
    commit = info.sha or ""
    if not _COMMIT.fullmatch(commit):
        raise WorkError(_not_here(dataset, "the hub names no commit of it"))
    names = sorted(filter(_stays_inside, (file.rfilename for file in info.siblings or ())))
    _keep_names(dataset, commit, names)
    return snapshot.parent / commit, names


def _bring(dataset: Dataset, snapshot: Path, names: Sequence[str]) -> list[Path]:
    """Files of a snapshot; those that are not there are downloaded."""
    missing = [name for name in names if not (snapshot / name).is_file()]
    if missing:
        # By its name a revision is downloaded first, so that the cache knows the name; then by the commit, which stays.
        known = cached_snapshot("datasets", dataset.name, dataset.revision) == snapshot
        revision, cache = snapshot.name if known else dataset.revision, hugging_face_cache()
        with hugging_face(str(dataset), f"datasets/{dataset.name}", lambda why: _not_here(dataset, why)) as api:
            for name in missing:
                found = api.hf_hub_download(dataset.name, name, repo_type="dataset", revision=revision, cache_dir=cache)
                if Path(found) != snapshot / name:
                    raise WorkError(_not_here(dataset, "it was changed during the download; once more, please"))
    return [snapshot / name for name in names]


def _stays_inside(name: str) -> bool:
    return all(part.strip(".") for part in name.split("/")) and not set(name) & {"\\", "\0"}


def _names_file(dataset: Dataset, commit: str) -> Path:
    return cache_folder("datasets") / f"{dataset.name.replace('/', '--')}@{commit}.json"


def _kept_names(dataset: Dataset, commit: str) -> list[str] | None:
    with contextlib.suppress(OSError, RequestError):
        names = read_object(_names_file(dataset, commit), "list of files").get("names")
        if isinstance(names, list) and all(isinstance(name, str) and _stays_inside(name) for name in names):
            return names
    return None


def _keep_names(dataset: Dataset, commit: str, names: Iterable[str]) -> None:
    try:
        write_json(_names_file(dataset, commit), {"names": list(names)})
    except OSError as error:
        tell_unkept("what files the dataset has is", error)


def _not_here(dataset: Dataset, why: str) -> str:
    return (
        f"{dataset}: not whole in the local cache {hugging_face_cache()}, and {why}\n"
        "go online once (HF_ENDPOINT names a mirror), or give the files themselves"
    )
