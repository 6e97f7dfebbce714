"""`kgpt2 fit`."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgpt2.cli import completing
from kgpt2.cli.console import debug_option, json_option, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kgpt2.config.sections import Config


@click.command("fit")
@click.argument("config", shell_complete=completing.files)
@click.option("-o", "overrides", multiple=True, metavar="K=V", help="Change a key, e.g. -o train.epochs=1. Repeatable.")
@click.option("--out", metavar="DIR", help="The run folder.  [default: runs/ and the configuration's name]")
@click.option("--resume", is_flag=True, help="Go on with the run in DIR from its last checkpoint.")
@click.option("--dry-run", is_flag=True, help="Read configuration, model and data, say what would happen, and stop.")
@click.option("--print-config", "printing", is_flag=True, help="Print the configuration, every key written out; stop.")
@json_option
@debug_option
def command(
    config: str,
    overrides: tuple[str, ...],
    out: str | None,
    resume: bool,
    dry_run: bool,
    printing: bool,
    as_json: bool,
) -> None:
    """Train or fine-tune a model as CONFIG, a YAML file, says.

    The run folder gets config.yaml (resolved), preset/ (the best model by validation loss), checkpoints/, metrics.csv,
    tensorboard/, samples.txt, curves.png and summary.json. It is a MODEL for the other commands.
    """
    from kgpt2.config.recipes import dump_config, load_config

    resolved = load_config(Path(config), overrides)
    if printing:
        shown = json.dumps(resolved.model_dump(), ensure_ascii=False) + "\n" if as_json else dump_config(resolved)
        click.echo(shown, nl=False)
        return
    from kgpt2.training.fit import fit

    folder = Path(out) if out else Path("runs") / Path(config).stem
    if dry_run:
        _outline(resolved, folder, resume, as_json)
        return
    fitted = fit(resolved, folder, resume=resume)
    if as_json:
        click.echo(json.dumps(fitted.summary, ensure_ascii=False))
    say(f"{folder}: done, {_kept(fitted.summary)}")
    say(f"try `kgpt2 generate PROMPT --model {shlex.quote(str(folder))}`")


def _kept(summary: "Mapping[str, Any]") -> str:
    """Which model the run has left."""
    validation, step = summary["validation"], summary.get("kept_step")  # runs of older versions do not tell
    if step is None or validation is None:
        return "with its last model"
    return f"with the model of step {step:,} of {summary['steps']:,} (validation loss {validation['loss']:.4f})"


def _outline(config: "Config", folder: Path, resume: bool, as_json: bool) -> None:
    """Shows what a run would be."""
    from rich.console import Console

    from kgpt2.config.recipes import dump_config
    from kgpt2.training.fit import planned
    from kgpt2.training.folder import run_folder, stoppable

    run_folder(folder, resume)
    with stoppable(folder):
        plan = planned(config, Console(stderr=True))
    if not as_json:
        click.echo(dump_config(config).rstrip(), err=True)
        return
    found = {
        "config": config.model_dump(),
        "updates": plan.updates,
        "interval": plan.interval,
        "examples": dict(zip(("train", "validation"), plan.examples, strict=True)),
        "notes": plan.notes,
    }
    click.echo(json.dumps(found, ensure_ascii=False))
