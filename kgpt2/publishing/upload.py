"""The upload of a publication, through the clients of the Hugging Face hub and of Kaggle."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from kgpt2 import __version__
from kgpt2.errors import RequestError, WorkError
from kgpt2.online import hugging_face, kaggle_client, reason, require_reachable
from kgpt2.publishing.folder import CARD, Publication

_HUB = re.compile(r"hf://(\w[\w.-]*/\w[\w.-]*)")
_KAGGLE = re.compile(r"kaggle://(\w[\w-]*/\w[\w-]*/(\w+)/\w[\w.-]*)")
# What Kaggle calls the formats.
FRAMEWORKS = {"keras": "keras", "transformers": "transformers", "openvino": "other"}
_MESSAGE = f"kgpt2 {__version__}"


def require_destination(destination: str, publication: Publication) -> None:
    """Refuses what is no place for a model.

    Raises:
        RequestError: it is none, or the framework in it is not the model's.
    """
    match = _KAGGLE.fullmatch(destination)
    if match and match[2].lower() != (framework := FRAMEWORKS[publication.kind]):
        raise RequestError(f"{destination}: the model is {publication.kind}'s, so FRAMEWORK is {framework}")
    if not match and not _HUB.fullmatch(destination):
        raise RequestError(f"{destination}: write hf://ORGANISATION/NAME or kaggle://OWNER/MODEL/FRAMEWORK/VARIATION")


def upload(publication: Publication, card: str, destination: str, private: bool, license: str | None) -> str:
    """Uploads all files and the card; returns where they are now.

    Args:
        publication: what to upload.
        card: the text of README.md.
        destination: one that `require_destination` takes.
        private: make a new repository private (Kaggle makes every one so).
        license: for Kaggle, by its own name; None: none is named.

    Raises:
        WorkError: nobody is logged in, the server does not answer, refuses, or the transfer fails.
    """

    def failed(why: str) -> str:
        return f"{destination}: not uploaded, {why}\n--dry-run shows what would be, and asks no network"

    if match := _HUB.fullmatch(destination):
        return _to_hub(publication, card, match[1], private, destination, failed)
    return _to_kaggle(publication, card, destination.removeprefix("kaggle://"), license, failed)


def _to_hub(
    publication: Publication,
    card: str,
    name: str,
    private: bool,
    destination: str,
    failed: Callable[[str], str],
) -> str:
    """A commit, which comes whole or not at all."""
    with hugging_face(destination, name, failed) as api:
        import huggingface_hub

        if huggingface_hub.get_token() is None:
            raise WorkError(failed("nobody is logged in (hf auth login, or HF_TOKEN)"))
        add = huggingface_hub.CommitOperationAdd
        files = [add(path_in_repo=name, path_or_fileobj=str(path)) for name, path in publication.files.items()]
        api.create_repo(name, private=private or None, exist_ok=True)
        commit = api.create_commit(
            name, [*files, add(path_in_repo=CARD, path_or_fileobj=card.encode())], commit_message=_MESSAGE
        )
    return str(commit.commit_url)


def _to_kaggle(
    publication: Publication, card: str, handle: str, license: str | None, failed: Callable[[str], str]
) -> str:
    require_reachable("https://www.kaggle.com", failed)
    with tempfile.TemporaryDirectory() as folder:
        for name, path in publication.files.items():
            (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / name).symlink_to(path.resolve())
        (Path(folder) / CARD).write_text(card, "utf-8")
        try:
            kaggle_client().model_upload(handle, folder, license_name=license, version_notes=_MESSAGE)
        except Exception as error:  # kagglehub passes on whatever its transport raises
            raise WorkError(failed(f"the transfer failed ({reason(error)})")) from error
    return f"https://www.kaggle.com/models/{handle}"
