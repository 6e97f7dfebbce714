"""What `kgpt2 evaluate` does for people who judge: a sheet for them to fill, and what the filled ones say."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from kgpt2.checkpoints.checkpoint import Tokenizer
from kgpt2.cli.console import say, show
from kgpt2.cli.evaluation_report import judgement
from kgpt2.cli.scoring_texts import Written
from kgpt2.data.example import Example, Report, Source
from kgpt2.data.sources import Options, open_source
from kgpt2.data.text_files import is_blank
from kgpt2.errors import RequestError
from kgpt2.evaluation.blind import REFERENCE, blind_rows, key_of, require_new, write_sheet
from kgpt2.evaluation.generated import cut
from kgpt2.evaluation.judgement import judge
from kgpt2.evaluation.ratings import read_sheets


def score_sheets(sheets: Sequence[str], key: str | None, encoding: str | None, seed: int, as_json: bool) -> None:
    """Prints what the ratings on filled sheets say."""
    paths = [Path(sheet) for sheet in sheets]
    beside = key_of(paths[0])
    if key is None and not beside.exists():
        raise RequestError(f"--score: the key is not beside the sheet ({beside})\n--key FILE names it")
    found = judge(read_sheets(paths, Path(key) if key else beside, encoding), seed)
    if as_json:
        click.echo(json.dumps({"sheets": list(sheets), "criteria": found}, ensure_ascii=False))
    else:
        show(*judgement(found))


def beginnings(source: Source, characters: int | None) -> list[Example]:
    """The texts of a source, each cut into a prompt and what is to be written, the same for every model.

    Raises:
        RequestError: no text is long enough.
    """
    pairs = (cut(example, characters) for example in source.read(Report()))
    found = [Example(text, prompt) for prompt, text in pairs if not is_blank(text)]
    if not found:
        raise RequestError("--blind: no text is long enough to be cut into a prompt and a reference")
    return found


def read_beside(beside: Sequence[str], given: Sequence[Example], models: Sequence[str]) -> dict[str, list[str]]:
    """Ready texts, by the name of their source.

    Args:
        beside: NAME=FILE each.
        given: the beginnings that the texts go on from, in their order.
        models: whose names are taken.

    Raises:
        RequestError: a name is taken, or a file has not a text for each beginning.
    """
    found: dict[str, list[str]] = {}
    for one in beside:
        name, _, file = one.partition("=")
        if not name or not file:
            raise RequestError(f"--beside {one}: NAME=FILE is wanted, the name of a source and its texts")
        if name in (REFERENCE, *models, *found):
            raise RequestError(f"--beside {one}: another source is called {name}; choose another name")
        read = Report()
        found[name] = [example.text for example in open_source([file], Options()).read(read)]
        if len(found[name]) != len(given):
            raise RequestError(
                f"--beside {file}: {len(found[name]):,} texts, and the data has {len(given):,}\n"
                + (read.problems or ["a text for each of the data's is wanted, in their order (.txt: one a line)"])[0]
            )
    return found


def require_new_sheet(sheet: str | None) -> None:
    """Refuses a sheet, where one is asked for, that could not be written or that is there; see `require_new`."""
    if sheet is not None:
        require_new(Path(sheet))


def files_of(sheet: str | None) -> dict[str, str]:
    """A sheet and its key, as `claim` takes files; empty where no sheet is asked for."""
    return {} if sheet is None else {"--blind": sheet, "--blind, the key": str(key_of(Path(sheet)))}


def write_blind(
    sheet: str,
    given: Sequence[Example],
    written: Mapping[str, Written],
    beside: Mapping[str, Sequence[str]],
    tokenizers: Sequence[Tokenizer],
    spec: str,
    seed: int,
) -> None:
    """Writes the sheet and its key.

    Args:
        sheet: its file.
        given: the beginnings, and what people wrote after them.
        written: by model.
        beside: ready texts, by the name of their source.
        tokenizers: of the models; empty: marks and characters stay as they are.
        spec: what the beginnings come from.
        seed: of the order.

    Raises:
        RequestError: a model reads fewer beginnings than there are.
    """
    for model, pairs in written.items():
        if len(pairs) != len(given):
            raise RequestError(
                f"--blind: {model} reads {len(pairs):,} of the {len(given):,} texts; leave the others out"
            )
    texts = {name: [one.completion for one, _ in pairs] for name, pairs in written.items()}
    rows = blind_rows([(one.prompt, one.text) for one in given], {**texts, **beside}, tokenizers, seed)
    path = Path(sheet)
    write_sheet(path, rows, {"data": spec}, seed)
    say(f"{path}: {len(rows):,} texts to rate from 1 to 5; {key_of(path)} knows who wrote which")
