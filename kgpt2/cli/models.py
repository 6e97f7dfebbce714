"""`kgpt2 models`."""

import click

from kgpt2.cli.options import debug_option, json_option


@click.command("models")
@json_option
@debug_option
def command(as_json) -> None:
    """List the model names, and which of them are on this machine."""
    import json

    from kgpt2.checkpoints.names import KERASHUB_PRESETS

    models = [
        {
            "name": preset.name,
            "kind": "kerashub",
            "parameters": preset.parameters,
            "cached": preset.is_cached(),
            "path": str(preset.cache_folder),
        }
        for preset in KERASHUB_PRESETS.values()
    ]
    if as_json:
        click.echo(json.dumps({"models": models}, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "parameters", "on this machine", box=None, pad_edge=False)
    for model in models:
        state = model["path"] if model["cached"] else "no (downloaded when first used)"
        table.add_row(model["name"], f"{model['parameters'] / 1e6:,.0f} M", state)
    console = Console()
    console.print(table)
    console.print(
        "A MODEL is also a folder (a Keras preset, or a run written by kgpt2 fit), or hf://ORGANISATION/NAME."
    )
