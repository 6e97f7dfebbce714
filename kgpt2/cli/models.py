"""`kgpt2 models`."""

import click

from kgpt2.cli.options import debug_option, json_option, say, show
from kgpt2.generation.openvino import cache as compiled_cache


@click.command("models")
@click.option("--clear-cache", is_flag=True, help="Remove the models and programs kept compiled; nothing else.")
@json_option
@debug_option
def command(clear_cache, as_json) -> None:
    """List the model names, and which of them are on this machine."""
    import json

    if clear_cache:
        from rich.filesize import decimal

        freed = compiled_cache.clear()
        if as_json:
            click.echo(json.dumps({"folder": str(compiled_cache.folder()), "bytes": freed}))
        else:
            say(f"{compiled_cache.folder()}: {decimal(freed)} removed")
        return

    from kgpt2.assets import MODELS, model_path
    from kgpt2.checkpoints.hub import UER_MODELS, cached, hugging_face_cache
    from kgpt2.checkpoints.kaggle import KERASHUB_PRESETS
    from kgpt2.checkpoints.names import read_model
    from kgpt2.checkpoints.shape import Shape

    models = [
        {
            "name": name,
            "kind": "embedded",
            "parameters": read_model(name).shape.parameters,
            "cached": True,
            "path": str(model_path(name)),
        }
        for name in MODELS
    ]
    models += [
        {
            "name": preset.name,
            "kind": "kerashub",
            "parameters": preset.parameters,
            "cached": preset.is_cached(),
            "path": str(preset.cache_folder),
        }
        for preset in KERASHUB_PRESETS.values()
    ]
    for name, vocabulary_size in UER_MODELS.items():
        shape = Shape(vocabulary_size, 12, 12, 768, 3072, 1024, 0.1)
        folder = cached(name)
        models.append(
            {
                "name": name,
                "kind": "hugging_face",
                "parameters": shape.parameters,
                "cached": folder is not None,
                "path": str(folder or hugging_face_cache()),
            }
        )
    if as_json:
        click.echo(json.dumps({"models": models}, ensure_ascii=False))
        return
    from rich.table import Column, Table

    table = Table(Column("name", no_wrap=True), "parameters", "on this machine", box=None, pad_edge=False)
    for model in models:
        state = model["path"] if model["cached"] else "not yet"
        table.add_row(model["name"], f"{model['parameters'] / 1e6:,.0f} M", state)
    show(table)
    click.echo(
        "A MODEL is also a folder (a Keras preset, a run of kgpt2 fit, a Hugging Face GPT-2), or hf://ORGANISATION/NAME."
    )
