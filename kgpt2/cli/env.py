"""`kgpt2 env`."""

import json
import os
import platform

import click

from kgpt2 import __version__
from kgpt2.cli.console import debug_option, json_option
from kgpt2.cli.options import bring_up_keras

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
    "numpy",
    "h5py",
    "opencc",
)


@click.command("env")
@json_option
@debug_option
def command(as_json: bool) -> None:
    """Show versions and devices, for bug reports."""
    bring_up_keras()
    import keras

    report = {
        "kgpt2": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "backend": keras.config.backend(),
        "devices": keras.distribution.list_devices(),
        "packages": {name: _version(name) for name in PACKAGES},
    }
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
        return
    for name, value in {**report, **report.pop("packages")}.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        if name != "packages":
            click.echo(f"{name:20} {'not installed' if shown is None else shown}")


def _version(name: str) -> str | None:
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
