"""The recipes that come with kgpt2, and how one becomes a file of the user's own."""

import dataclasses
import os
import re
import shlex
from pathlib import Path

from kgpt2.assets import recipes_folder
from kgpt2.errors import RequestError, near, quoted
from kgpt2.files import read_text
from kgpt2.outputs import claimed_file
from kgpt2.writing import write_text

# What the first line of each recipe names; it lies beside the file.
SCHEMA = "kgpt2.schema.json"
_WANTED = "# Still to be given: "
_RUN = re.compile(r"--out (runs/\w+)")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A run configuration that needs little or nothing more.

    Attributes:
        name: what `kgpt2 init` calls it.
        summary: a sentence on it.
        wanted: what its user has still to give; "": nothing.
        text: the file.
    """

    name: str
    summary: str
    wanted: str
    text: str


def recipe_names() -> list[str]:
    """The names of the recipes, in alphabetical order."""
    return sorted(path.stem for path in recipes_folder().glob("*.yaml"))


def read_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        RequestError: there is none.

    Example:
        >>> read_recipe("couplets").wanted.partition(",")[0]
        'data.path'
    """
    known = recipe_names()
    if name not in known:
        raise RequestError(f"{quoted(name)}: no such recipe{near(name, known)}\nthere are {', '.join(known)}")
    text = read_text(recipes_folder() / f"{name}.yaml", "recipe")
    lines = text.splitlines()
    wanted = next((line for line in lines if line.startswith(_WANTED)), "")
    return Recipe(name, lines[1].removeprefix("# "), wanted.removeprefix(_WANTED), text)


def lay_out(recipe: Recipe, path: Path, force: bool = False) -> Path:
    """Writes a recipe and, beside it, the schema that its first line names.

    Args:
        recipe: whose commands then name the new file.
        path: the file; missing folders above it are made.
        force: an existing file is replaced.

    Returns:
        The schema's path.

    Raises:
        RequestError: the file is there, or cannot be written.
    """
    schema = path.parent / SCHEMA
    if os.path.lexists(path) and not force:
        raise RequestError(f"{path}: is there; choose another name, or replace it with --force")
    if path.name == SCHEMA:
        raise RequestError(f"{path}: the schema beside it is called so; choose another name")
    with claimed_file(path, str(path)), claimed_file(schema, str(schema)):
        write_text(schema, read_text(recipes_folder() / SCHEMA, "schema"))
        write_text(path, _renamed(recipe, path))
    return schema


def _renamed(recipe: Recipe, path: Path) -> str:
    """A recipe whose commands name the file that it becomes, and the run folder that `kgpt2 fit` makes of that name."""
    text = recipe.text.replace(f"configs/{recipe.name}.yaml", shlex.quote(str(path)))
    run = _RUN.search(text)
    return text.replace(run[1], shlex.quote(f"runs/{path.stem}")) if run else text
