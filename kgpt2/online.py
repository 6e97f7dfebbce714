"""What is asked of the network, and only where a user has asked for it: hosts, and the hub of Hugging Face.

The environment variables are huggingface_hub's own: HF_ENDPOINT, HF_HUB_OFFLINE, HF_HOME, HF_HUB_CACHE, HF_TOKEN.
"""

import contextlib
import logging
import os
import re
import socket
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgpt2.errors import Kgpt2Error, RequestError, WorkError, escaped, quoted
from kgpt2.files import home, read_text

if TYPE_CHECKING:
    import huggingface_hub

REACH_SECONDS = 3.0


def reachable(host: str, port: int = 443) -> bool:
    """Whether a machine answers within `REACH_SECONDS`."""
    try:
        with socket.create_connection((host, port), timeout=REACH_SECONDS):
            return True
    except OSError:
        return False


def require_reachable(address: str, failed: Callable[[str], str]) -> None:
    """A quick look at a server first: without a network clients retry for a long time.

    Args:
        address: https://HOST.
        failed: the message, by the reason.

    Raises:
        WorkError: it does not answer. Behind a proxy nobody looks.
    """
    parts = urllib.parse.urlsplit(address)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    if not urllib.request.getproxies() and not reachable(parts.hostname or "", port):
        raise WorkError(failed(f"{parts.hostname} cannot be reached"))


def reason(error: Exception) -> str:
    """The first line of what a client says that passes on whatever its transport raises."""
    return escaped(next(iter(str(error).splitlines()), "") or type(error).__name__, 300)


def kaggle_client() -> Any:
    """kagglehub, which would tell on stdout what it does; results go there."""
    import kagglehub

    logging.getLogger("kagglehub").setLevel(logging.WARNING)
    return kagglehub


def hugging_face_cache() -> Path:
    """huggingface_hub's cache folder (`HF_HUB_CACHE`, or `hub` under `HF_HOME`)."""
    if chosen := os.environ.get("HF_HUB_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("HF_HOME") or home(".cache", "HF_HOME") / "huggingface") / "hub"


def cached_snapshot(kind: str, name: str, revision: str) -> Path:
    """Where the cache has a revision of a repository, by what it was when it was last asked for.

    Args:
        kind: "models" or "datasets".
        name: ORGANISATION/NAME.
        revision: a branch, a tag or a commit.

    Raises:
        RequestError: the cache is damaged.
    """
    repository = hugging_face_cache() / f"{kind}--{name.replace('/', '--')}"
    reference = repository / "refs" / revision
    return repository / "snapshots" / (_snapshot_of(reference) if reference.is_file() else revision)


def _snapshot_of(reference: Path) -> str:
    name = read_text(reference, "reference to a snapshot").strip()
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise RequestError(f"{reference}: not the name of a snapshot ({quoted(name)})")
    return name


def hugging_face_endpoint() -> str:
    """The address of the hub, or of its mirror.

    Raises:
        RequestError: HF_ENDPOINT is no address.
    """
    endpoint = (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    address = urllib.parse.urlsplit(endpoint)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise RequestError(f"HF_ENDPOINT: {quoted(endpoint)} is no address, write https://HOST")
    return endpoint


@contextlib.contextmanager
def hugging_face(spec: str, page: str, failed: Callable[[str], str]) -> Iterator["huggingface_hub.HfApi"]:
    """The hub's own client, for a block that asks it for something; what it raises there is said in our words.

    Args:
        spec: what the user asked for.
        page: of the repository: its path below the hub's address.
        failed: the message, by the reason.

    Raises:
        RequestError: HF_ENDPOINT is no address, or the hub has no such repository or revision.
        WorkError: the hub must not or cannot be asked, access is not granted, or it fails.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise WorkError(failed("HF_HUB_OFFLINE is set"))
    endpoint = hugging_face_endpoint()
    require_reachable(endpoint, failed)
    import huggingface_hub
    from huggingface_hub import errors

    try:
        yield huggingface_hub.HfApi(endpoint=endpoint)
    except Kgpt2Error:
        raise
    except errors.GatedRepoError:
        raise WorkError(
            f"{spec}: access has to be granted on {endpoint}/{page} first, then log in: hf auth login"
        ) from None
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        kind = "revision" if isinstance(error, errors.RevisionNotFoundError) else "repository"
        raise RequestError(f"{spec}: {endpoint} has no such {kind} (or it is private: hf auth login)") from None
    except Exception as error:  # huggingface_hub passes on whatever its transport raises
        raise WorkError(failed(f"the transfer failed ({reason(error)}); the next one goes on from there")) from error
