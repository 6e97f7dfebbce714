"""`kgpt2 fit`."""

import click

from kgpt2.cli.options import bring_up_keras, debug_option, json_option, say


@click.command("fit")
@click.argument("config")
@click.option("-o", "overrides", multiple=True, metavar="K=V", help="Change a key, e.g. -o train.epochs=1. Repeatable.")
@click.option("--out", metavar="DIR", help="The run folder.  [default: runs/ and the configuration's name]")
@click.option("--resume", is_flag=True, help="Go on with the run in DIR from its last checkpoint.")
@click.option("--dry-run", is_flag=True, help="Read configuration, model and data, say what would happen, and stop.")
@json_option
@debug_option
def command(config, overrides, out, resume, dry_run, as_json) -> None:
    """Train or fine-tune a model as CONFIG, a YAML file, says.

    The run folder gets config.yaml (resolved), preset/ (the best model by validation loss), checkpoints/, metrics.csv,
    tensorboard/, samples.txt, curves.png and summary.json. It is a MODEL for the other commands.
    """
    import json
    import shlex
    from pathlib import Path

    from kgpt2.cli.progress import reading
    from kgpt2.config import dump_config, load_config
    from kgpt2.files import read_object
    from kgpt2.training.folder import claimed_run, is_complete, is_longer, require_the_same, run_folder, stoppable
    from kgpt2.training.prepare import prepare

    path = Path(config)
    resolved = load_config(path, overrides)
    folder = Path(out) if out else Path("runs") / path.stem
    if resume and is_complete(folder):
        then = load_config(folder / "config.yaml")
        require_the_same(folder, then, resolved)
        if not is_longer(then, resolved):
            if as_json:
                click.echo(json.dumps(read_object(folder / "summary.json", "summary of a run"), ensure_ascii=False))
            say(f"{folder}: the run is complete, there is nothing to resume (more epochs or steps make it longer)")
            return
    if dry_run:
        run_folder(folder, resume)
    else:
        click.get_current_context().with_resource(claimed_run(folder, resume))
    with stoppable(folder), reading() as progress:
        plan = prepare(resolved, progress)
    for note in plan.notes:
        say(note)
    say(f"{plan.updates:,} steps, a validation every {plan.interval:,}")
    if dry_run:
        if as_json:
            click.echo(json.dumps(_outline(resolved, plan), ensure_ascii=False))
        else:
            click.echo(dump_config(resolved).rstrip(), err=True)
        return

    with stoppable(folder):
        bring_up_keras()
        from rich.console import Console

        from kgpt2.training.fit import fit

        summary = fit(resolved, plan, folder, Console(stderr=True), resume=resume)
    if as_json:
        click.echo(json.dumps(summary, ensure_ascii=False))
    say(f"{folder}: done; try `kgpt2 generate PROMPT --model {shlex.quote(str(folder))}`")


def _outline(config, plan) -> dict:
    """What a dry run has found out."""
    return {
        "config": config.model_dump(),
        "updates": plan.updates,
        "interval": plan.interval,
        "examples": dict(zip(("train", "validation"), plan.examples, strict=True)),
        "notes": plan.notes,
    }
