"""`kgpt2 fit`."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgpt2.cli.options import bring_up_keras, debug_option, json_option, say

if TYPE_CHECKING:
    from kgpt2.config.sections import Config
    from kgpt2.training.prepare import Plan


@click.command("fit")
@click.argument("config")
@click.option("-o", "overrides", multiple=True, metavar="K=V", help="Change a key, e.g. -o train.epochs=1. Repeatable.")
@click.option("--out", metavar="DIR", help="The run folder.  [default: runs/ and the configuration's name]")
@click.option("--resume", is_flag=True, help="Go on with the run in DIR from its last checkpoint.")
@click.option("--dry-run", is_flag=True, help="Read configuration, model and data, say what would happen, and stop.")
@json_option
@debug_option
def command(
    config: str, overrides: tuple[str, ...], out: str | None, resume: bool, dry_run: bool, as_json: bool
) -> None:
    """Train or fine-tune a model as CONFIG, a YAML file, says.

    The run folder gets config.yaml (resolved), preset/ (the best model by validation loss), checkpoints/, metrics.csv,
    tensorboard/, samples.txt, curves.png and summary.json. It is a MODEL for the other commands.
    """
    from kgpt2.config.recipes import load_config
    from kgpt2.training.folder import claimed_run, finished_summary, run_folder

    resolved = load_config(Path(config), overrides)
    folder = Path(out) if out else Path("runs") / Path(config).stem
    summary = finished_summary(folder, resolved) if resume else None
    if summary is not None:
        _print(summary, as_json)
        say(f"{folder}: the run is complete, there is nothing to resume (more epochs or steps make it longer)")
        return
    if dry_run:
        run_folder(folder, resume)
        _outline(resolved, _plan(resolved, folder), as_json)
        return
    click.get_current_context().with_resource(claimed_run(folder, resume))
    _print(_fit(resolved, _plan(resolved, folder), folder, resume), as_json)
    say(f"{folder}: done; try `kgpt2 generate PROMPT --model {shlex.quote(str(folder))}`")


def _plan(config: "Config", folder: Path) -> "Plan":
    """Reads model and data, and says what will happen."""
    from kgpt2.cli.progress import reading
    from kgpt2.training.folder import stoppable
    from kgpt2.training.prepare import prepare

    with stoppable(folder), reading() as progress:
        plan = prepare(config, progress)
    for note in plan.notes:
        say(note)
    say(f"{plan.updates:,} steps, a validation every {plan.interval:,}")
    return plan


def _fit(config: "Config", plan: "Plan", folder: Path, resume: bool) -> dict[str, Any]:
    from kgpt2.training.folder import stoppable

    with stoppable(folder):
        bring_up_keras()
        from rich.console import Console

        from kgpt2.training.fit import fit

        return fit(config, plan, folder, Console(stderr=True), resume=resume)


def _outline(config: "Config", plan: "Plan", as_json: bool) -> None:
    """Shows what a dry run has found out."""
    from kgpt2.config.recipes import dump_config

    if not as_json:
        click.echo(dump_config(config).rstrip(), err=True)
    found = {
        "config": config.model_dump(),
        "updates": plan.updates,
        "interval": plan.interval,
        "examples": dict(zip(("train", "validation"), plan.examples, strict=True)),
        "notes": plan.notes,
    }
    _print(found, as_json)


def _print(values: Any, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(values, ensure_ascii=False))
