"""The extras of setup.cfg: what each needs, what is missing here, and how it is installed."""

import configparser
import importlib.metadata
import importlib.util
import os
import re
import shlex
import sys
from pathlib import Path

from kgpt2.errors import RequestError, near, quoted

TRAINING_BACKENDS = ("tensorflow", "jax", "torch")
BACKENDS = (*TRAINING_BACKENDS, "numpy", "openvino")
_CLONE = Path(__file__).parent.parent
_NAME = re.compile(r"[\w.-]+")
_OF_EXTRA = re.compile(r"""\bextra\s*==\s*['"]([\w.-]+)['"]""")


def extras() -> dict[str, list[str]]:
    """The packages of each extra: by setup.cfg in a clone, elsewhere by what was installed.

    Example:
        >>> extras()["gguf"]
        ['gguf']
    """
    setup = configparser.ConfigParser()
    if setup.read(_CLONE / "setup.cfg", "utf-8") and setup.get("metadata", "name", fallback="") == "kgpt2":
        listed = {extra: text.split("\n") for extra, text in setup["options.extras_require"].items()}
        return {extra: _names(lines) for extra, lines in listed.items()}
    about = importlib.metadata.metadata("kgpt2")
    needed = importlib.metadata.requires("kgpt2") or []
    found: dict[str, list[str]] = {extra: [] for extra in about.get_all("Provides-Extra") or []}
    for line in needed:
        if match := _OF_EXTRA.search(line):
            found[match[1]] += _names([line])
    return found


def version_of(package: str) -> str | None:
    """The installed version of a package; None: there is none.

    Example:
        >>> version_of("no-such-package") is None
        True
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def missing(extra: str) -> list[str]:
    """The packages of an extra that are not installed."""
    return [package for package in extras()[extra] if version_of(package) is None]


def how_to_install(extra: str) -> str:
    """The command that installs an extra for this Python, whatever folder it is typed in.

    pip takes the installed kgpt2 for its name and asks no index for it; where a clone runs without being installed, or
    is newer than what was, its folder stands for it.

    Example:
        >>> how_to_install("serve").endswith('[serve]"')
        True
    """
    known = version_of("kgpt2") and extra in (importlib.metadata.metadata("kgpt2").get_all("Provides-Extra") or ())
    return pip_install(f'"{"kgpt2" if known else _CLONE}[{extra}]"')


def pip_install(what: str) -> str:
    """The command that installs something for this Python.

    Example:
        >>> pip_install("openvino").endswith(" -m pip install openvino")
        True
    """
    return f"{shlex.quote(sys.executable)} -m pip install {what}"


def require_backend(backends: tuple[str, ...] = BACKENDS) -> None:
    """Looks whether the Keras backend that the environment names is one of these, and is installed; without loading it.

    Raises:
        RequestError: it is not.
    """
    chosen = os.environ.get("KERAS_BACKEND")
    if not chosen:
        return
    if chosen not in backends:
        reason = "does not train" if chosen in BACKENDS else f"is not known to Keras{near(chosen, BACKENDS)}"
        raise RequestError(f"KERAS_BACKEND: {quoted(chosen)} {reason}\nset one of {', '.join(backends)}, or unset it")
    if importlib.util.find_spec(chosen) is None:
        raise no_backend(chosen, chosen)


def no_backend(chosen: str, package: str | None) -> RequestError:
    """The error of a Keras backend that is not installed; `chosen` names it, or the file that does."""
    way = "choose another: KERAS_BACKEND=tensorflow"
    if package and package in extras():
        way = f"{how_to_install(package)}, or choose another: KERAS_BACKEND=tensorflow"
    return RequestError(f"{chosen} asks for a Keras backend that is not installed (no module {package!r})\n{way}")


def _names(lines: list[str]) -> list[str]:
    return [match[0] for line in lines if (match := _NAME.match(line))]
