"""The chinese-poetry collection from GitHub: one commit of it, each file checked against its recorded SHA-256."""

import dataclasses
import hashlib
import http.client
import urllib.parse
import urllib.request
from pathlib import Path

from kgpt2.assets import POETRY_TABLE
from kgpt2.cache import cache_folder, cache_home
from kgpt2.data.poetry.shelves import shelves_of
from kgpt2.errors import WorkError
from kgpt2.files import read_text
from kgpt2.writing import sweep, whole_file

COMMIT = "99ebbef7e1345c0985c44b9fd96a3f9e776f117b"
ADDRESS = f"https://raw.githubusercontent.com/chinese-poetry/chinese-poetry/{COMMIT}"
_TIMEOUT = 30


@dataclasses.dataclass(frozen=True)
class PinnedFile:
    """A file of the repository: its path there, its size in bytes and its SHA-256."""

    path: str
    size: int
    sha256: str


def pinned_files(part: str, table: Path = POETRY_TABLE) -> list[PinnedFile]:
    """The files of a part in their order; raises RequestError where there is no such part."""
    folders: dict[str, dict[str, PinnedFile]] = {}
    folder = ""
    for line in read_text(table).splitlines():
        if line.endswith("/"):
            folder = line[:-1]
        elif line and not line.startswith("#"):
            sha256, size, name = line.split(" ", 2)
            folders.setdefault(folder, {})[name] = PinnedFile(f"{folder}/{name}", int(size), sha256)
    return [
        there[name]
        for shelf in shelves_of(part)
        for there in [folders.get(shelf.folders[0], {})]
        for name in shelf.pick(there)
    ]


def fetch(part: str, destination: Path | None = None, *, address: str = ADDRESS, table: Path = POETRY_TABLE) -> Path:
    """Downloads the files of a part that are not there yet.

    Args:
        part: one of `kgpt2.data.poetry.shelves.PARTS`.
        destination: where the repository's folders come to lie; None: in kgpt2's cache (`KGPT2_CACHE`).
        address: where the repository's files are to be had: a mirror must give the same bytes.

    Returns:
        The folder, as `open_poetry` takes it. Each file in it is whole and has been checked.

    Raises:
        RequestError: there is no such part.
        WorkError: a file cannot be downloaded, or is not the one that was recorded.
    """
    name = f"chinese-poetry-{COMMIT[:7]}"
    root = destination or cache_home() / name
    missing = [pinned for pinned in pinned_files(part, table) if not _is_whole(root / pinned.path, pinned)]
    try:
        if missing and destination is None:
            cache_folder(name)
        for folder in {(root / pinned.path).parent for pinned in missing}:
            sweep(folder)
        for pinned in missing:
            _download(f"{address}/{urllib.parse.quote(pinned.path)}", root / pinned.path, pinned)
    except OSError as error:
        raise WorkError(
            f"{error.filename or root}: {error.strerror or error}, so the collection cannot be kept there\n"
            "KGPT2_CACHE=FOLDER chooses another cache"
        ) from None
    return root


def _is_whole(path: Path, pinned: PinnedFile) -> bool:
    if not path.is_file() or path.stat().st_size != pinned.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == pinned.sha256


def _download(address: str, path: Path, pinned: PinnedFile) -> None:
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer:
            # One byte more than there should be tells that it is another file, however long that may be.
            data = answer.read(pinned.size + 1)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise WorkError(
            f"{address}: cannot be downloaded ({reason})\n"
            "put the collection in a folder by hand and give it: -o data.path=FOLDER (--path FOLDER)"
        ) from None
    found = hashlib.sha256(data).hexdigest()
    if len(data) != pinned.size or found != pinned.sha256:
        raise WorkError(
            f"{address}: not the file that was recorded (SHA-256 {found[:12]}… for {pinned.sha256[:12]}…)\n"
            "try again; a proxy or a mirror may have changed it"
        )
    with whole_file(path) as temporary:
        temporary.write_bytes(data)
