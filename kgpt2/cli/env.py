"""`kgpt2 env`."""

import json
import os
import platform
from collections.abc import Sequence
from typing import Any

import click

from kgpt2 import __version__
from kgpt2.cli.console import debug_option, json_option, say
from kgpt2.cli.options import bring_up_keras
from kgpt2.errors import RequestError
from kgpt2.extras import extras, how_to_install, missing, version_of
from kgpt2.language import told

PACKAGES = (
    "keras",
    "keras-nlp",
    "keras-hub",
    "tensorflow",
    "tensorflow-text",
    "tensorflow-datasets",
    "jax",
    "jaxlib",
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "huggingface_hub",
    "gguf",
    "openvino",
    "numpy",
    "h5py",
    "opencc",
)


@click.command("env")
@json_option
@debug_option
def command(as_json: bool) -> None:
    """Show versions, extras and devices, for bug reports."""
    backend, devices, why = _keras()
    report: dict[str, Any] = {
        "kgpt2": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "backend": backend,
        "devices": devices,
        "no_backend": why,
        "packages": {name: version_of(name) for name in PACKAGES},
        "extras": {extra: {"installed": not absent, "missing": absent} for extra, absent in _missing().items()},
    }
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
        return
    packages, wanted = report.pop("packages"), report.pop("extras")
    del report["no_backend"]
    lines = {**report, **packages, **{f"[{extra}]": _lacks(found["missing"]) for extra, found in wanted.items()}}
    for name, value in lines.items():
        shown = ", ".join(value) or None if isinstance(value, list) else value
        click.echo(f"{name:20} {told('not installed') if shown is None else shown}")
    if why:
        say(f"note: {why}")
    if lacking := [extra for extra, found in wanted.items() if found["missing"]]:
        say(f"to add an extra: {how_to_install(lacking[0])}")


def _keras() -> tuple[str | None, list[str], str | None]:
    """The Keras backend, its devices, and why there is none: bugs are reported from where it is missing too."""
    try:
        bring_up_keras()
    except (RequestError, ImportError) as error:
        return None, [], str(error)
    import keras

    return keras.config.backend(), keras.distribution.list_devices(), None


def _missing() -> dict[str, list[str]]:
    """What each extra lacks here."""
    return {extra: missing(extra) for extra in extras()}


def _lacks(missing: Sequence[str]) -> str:
    return told(f"not there: {', '.join(missing)}" if missing else "installed")
