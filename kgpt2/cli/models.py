"""`kgpt2 models`."""

import json
from typing import TypedDict

import click

from kgpt2.cli.console import debug_option, json_option, say, show
from kgpt2.language import told


class Listed(TypedDict):
    """A model as `--json` lists it; `cached`: it is on this machine, in `path`."""

    name: str
    kind: str
    parameters: int
    cached: bool
    path: str


@click.command("models")
@click.option("--clear-cache", is_flag=True, help="Remove the models and programs kept compiled; nothing else.")
@json_option
@debug_option
def command(clear_cache: bool, as_json: bool) -> None:
    """List the model names, and which of them are on this machine."""
    if clear_cache:
        _clear(as_json)
        return
    models = [*_embedded(), *_kerashub(), *_uer()]
    if as_json:
        click.echo(json.dumps({"models": models}, ensure_ascii=False))
        return
    from kgpt2.cli.tables import Table

    name, parameters, here = map(told, ("name", "parameters", "on this machine"))
    table = Table([name, parameters, here], right=[parameters], cut=[here])
    for model in models:
        state = model["path"] if model["cached"] else told("not yet")
        table.rows.append([model["name"], f"{model['parameters'] / 1e6:,.0f} M", state])
    show(table)
    also = "A MODEL is also a folder (a Keras preset, a run of kgpt2 fit, a Hugging Face GPT-2), or hf://ORGANISATION/NAME."
    show(told(also))


def _clear(as_json: bool) -> None:
    from rich.filesize import decimal

    from kgpt2.generation.openvino import cache

    freed = cache.clear()
    if as_json:
        click.echo(json.dumps({"folder": str(cache.folder()), "bytes": freed}))
    else:
        say(f"{cache.folder()}: {decimal(freed)} removed")


def _embedded() -> list[Listed]:
    from kgpt2.assets import MODELS, model_path
    from kgpt2.checkpoints.names import read_model

    return [
        Listed(
            name=name,
            kind="embedded",
            parameters=read_model(name).shape.parameters,
            cached=True,
            path=str(model_path(name)),
        )
        for name in MODELS
    ]


def _kerashub() -> list[Listed]:
    from kgpt2.checkpoints.kaggle import KERASHUB_PRESETS

    return [
        Listed(
            name=preset.name,
            kind="kerashub",
            parameters=preset.parameters,
            cached=preset.is_cached(),
            path=str(preset.cache_folder),
        )
        for preset in KERASHUB_PRESETS.values()
    ]


def _uer() -> list[Listed]:
    from kgpt2.checkpoints.hub import UER_MODELS, cached
    from kgpt2.checkpoints.shape import Shape
    from kgpt2.online import hugging_face_cache

    found = {name: cached(name) for name in UER_MODELS}
    return [
        Listed(
            name=name,
            kind="hugging_face",
            parameters=Shape(vocabulary_size, 12, 12, 768, 3072, 1024, 0.1).parameters,
            cached=found[name] is not None,
            path=str(found[name] or hugging_face_cache()),
        )
        for name, vocabulary_size in UER_MODELS.items()
    ]
