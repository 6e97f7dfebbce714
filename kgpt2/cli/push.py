"""`kgpt2 push`."""

import json

import click

from kgpt2.cli import completing
from kgpt2.cli.console import debug_option, json_option, say


@click.command("push")
@click.argument("folder", metavar="FOLDER", shell_complete=completing.models)
@click.argument("destination", metavar="DST")
@click.option("--dry-run", is_flag=True, help="List the files and print the card; nothing is uploaded.")
@click.option("--license", metavar="ID", help="For the card: an identifier of the hub's, such as mit or apache-2.0.")
@click.option("--private", is_flag=True, help="Make a new repository private.")
@json_option
@debug_option
def command(folder: str, destination: str, dry_run: bool, license: str | None, private: bool, as_json: bool) -> None:
    """Publish a run or a converted model at DST.

    DST is hf://ORGANISATION/NAME, or kaggle://OWNER/MODEL/FRAMEWORK/VARIATION. FOLDER is what `kgpt2 fit` or `kgpt2
    convert` has written. A card is made of the run's summary, figures and samples, unless FOLDER has a README.md.
    """
    from rich.filesize import decimal

    from kgpt2.cli.console import show
    from kgpt2.publishing.card import model_card
    from kgpt2.publishing.folder import CARD, publication
    from kgpt2.publishing.upload import require_destination, upload

    found = publication(folder)
    require_destination(destination, found)
    card = model_card(found, destination, license)
    sizes = {name: path.stat().st_size for name, path in found.files.items()} | {CARD: len(card.encode())}
    for name in found.left_out:
        say(f"note: {name} is left out: no file of a model")
    where = None if dry_run else upload(found, card, destination, private, license)
    if as_json:
        report = {"destination": destination, "url": where, "files": sizes, "card": card}
        click.echo(json.dumps(report, ensure_ascii=False))
    elif dry_run:
        width = max(len(decimal(size)) for size in sizes.values())
        show(*(f"{decimal(size):>{width}}  {name}" for name, size in sizes.items()), "", card.rstrip("\n"))
        say(f"{destination}: {len(sizes)} files, {decimal(sum(sizes.values()))}; nothing was uploaded (--dry-run)")
    else:
        say(f"{where}: {len(sizes)} files, {decimal(sum(sizes.values()))}")
