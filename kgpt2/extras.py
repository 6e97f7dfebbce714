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


def how_to_install(extra: str = "") -> str:
    """The command that installs an extra ("": all that kgpt2 itself asks for) for this Python, in whatever folder.

    pip takes the installed kgpt2 for its name and asks no index for it; where a clone runs without being installed, or
    is newer than what was, its folder stands for it.

    Example:
        >>> how_to_install("serve").endswith('[serve]"')
        True
    """
    known = version_of("kgpt2") and (
        not extra or extra in (importlib.metadata.metadata("kgpt2").get_all("Provides-Extra") or ())
    )
    what = "kgpt2" if known else str(_CLONE)
    return f"{shlex.quote(sys.executable)} -m pip install " + (f'"{what}[{extra}]"' if extra else shlex.quote(what))


def require_installed(*modules: str) -> None:
    """Looks whether modules that a command cannot do without are installed, without loading them.

    Raises:
        RequestError: one is not; see `not_installed`.
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise not_installed(module)


def not_installed(module: str, extra: str | None = None) -> RequestError:
    """The error of a package that is not installed: what brings it, and the command for that.

    Args:
        module: as it is imported.
        extra: which brings it; None: the one that lists it, or none, for what kgpt2 itself asks for.

    Example:
        >>> str(not_installed("gguf")).splitlines()[0]
        'gguf is not installed here; the extra gguf brings it'
    """
    extra = _extra_of(module) if extra is None else extra
    brings = f"the extra {extra} brings it" if extra else "the whole of kgpt2 brings it"
    return RequestError(f"{module} is not installed here; {brings}\n{how_to_install(extra)}")


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
    """The error of a Keras backend that is not installed; `chosen` names it, or what does."""
    others = (one for one in TRAINING_BACKENDS if one != package and importlib.util.find_spec(one))
    other = next((f", or take the one that is: KERAS_BACKEND={one}" for one in others), "")
    return RequestError(
        f"{chosen} asks for a Keras backend that is not installed (no module {package!r})\n"
        f"{how_to_install(_extra_of(package or ''))}{other}"
    )


def _extra_of(module: str) -> str:
    """The smallest extra that brings a module, or is called so; "" where there is none."""
    package = module.replace("_", "-")
    holding = {extra: names for extra, names in extras().items() if extra == package or package in _plain(names)}
    return min(holding, key=lambda extra: len(holding[extra]), default="")


def _plain(names: list[str]) -> list[str]:
    return [name.replace("_", "-") for name in names]


def _names(lines: list[str]) -> list[str]:
    return [match[0] for line in lines if (match := _NAME.match(line))]
