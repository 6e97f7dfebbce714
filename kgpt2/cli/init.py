"""`kgpt2 init`."""

import json
import shlex
from pathlib import Path

import click

from kgpt2.cli import completing
from kgpt2.cli.console import debug_option, json_option, say
from kgpt2.language import told


@click.command("init")
@click.argument("recipe", required=False, shell_complete=completing.recipes)
@click.argument("file", required=False)
@click.option("--force", is_flag=True, help="Replace FILE where it is there.")
@json_option
@debug_option
def command(recipe: str | None, file: str | None, force: bool, as_json: bool) -> None:
    """Write the recipe of that name to FILE, for `kgpt2 fit`; without a name, list the recipes.

    FILE is RECIPE.yaml in this folder where it is left out. Its schema is written beside it: editors that know YAML
    complete keys and underline mistakes.
    """
    from kgpt2.config.shipped import lay_out, read_recipe, recipe_names

    if recipe is None:
        recipes = [read_recipe(name) for name in recipe_names()]
        if as_json:
            listed = [{"name": one.name, "description": one.summary, "wanted": one.wanted} for one in recipes]
            click.echo(json.dumps({"recipes": listed}, ensure_ascii=False))
            return
        width = max(len(one.name) for one in recipes)
        for one in recipes:
            click.echo(f"{one.name:{width}}  {told(one.summary)}")
        return
    found, path = read_recipe(recipe), Path(file or f"{recipe}.yaml")
    schema = lay_out(found, path, force)
    if as_json:
        report = {"recipe": recipe, "file": str(path), "schema": str(schema), "wanted": found.wanted}
        click.echo(json.dumps(report, ensure_ascii=False))
    say(f"{path}: written, {schema.name} beside it; `kgpt2 fit {shlex.quote(str(path))} --dry-run` looks at it")
    if found.wanted:
        say(f"still to be given: {found.wanted}")
