"""A sheet of texts to rate by people who are not told who wrote which, and the key that knows."""

import csv
import dataclasses
import os
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kgpt2.checkpoints.checkpoint import Tokenizer
from kgpt2.data.example import Example, Report
from kgpt2.data.reading import Reader
from kgpt2.errors import RequestError
from kgpt2.writing import whole_file, write_json

# What a person wrote, among the sources.
REFERENCE = "reference"
# The columns of a sheet that are not rated, and those that are unless its owner names others.
CODE, GIVEN = "code", ("code", "prompt", "text")
CRITERIA = ("fluency", "coherence", "overall")
DELIMITERS = {".csv": ",", ".tsv": "\t"}
# No vowel, so that no code is a word; no digit, so that no spreadsheet takes one for a number.
_LETTERS, _LENGTH = "bcdfghjkmnpqrstvwxz", 6
# What a spreadsheet takes a cell for that begins so: a formula.
_FORMULA = ("=", "+", "-", "@")


@dataclasses.dataclass(frozen=True)
class Row:
    """A text on a sheet.

    Attributes:
        source: who wrote it.
        item: which of the beginnings it goes on from.
        prompt: that beginning.
        text: what was written after it.
    """

    source: str
    item: int
    prompt: str
    text: str


def key_of(sheet: Path) -> Path:
    """Where the key of a sheet is written.

    Example:
        >>> key_of(Path("poems.csv")).name
        'poems.key.json'
    """
    return sheet.with_name(f"{sheet.stem}.key.json")


def require_new(sheet: Path) -> None:
    """Refuses a sheet that could not be written, or would take the place of one that may have been filled.

    Raises:
        RequestError: naming the file.
    """
    if sheet.suffix.lower() not in DELIMITERS:
        raise RequestError(f"--blind {sheet}: a sheet is a table; choose a name that ends in .csv or .tsv")
    for file in (sheet, key_of(sheet)):
        if os.path.lexists(file):
            raise RequestError(f"--blind {file}: the file exists already; remove it or give another name")


def blind_rows(
    pairs: Sequence[tuple[str, str]], written: Mapping[str, Sequence[str]], tokenizers: Iterable[Tokenizer], seed: int
) -> list[Row]:
    """The texts of all sources in an order that is drawn, told apart by nothing but what they say.

    Every text, the references among them, is read with the marks and characters of every model in turn, has single
    spaces for its line ends, and is no longer than the longest reference. A text that a source wrote twice after the
    same prompt is there once; one that two sources wrote, twice.

    Args:
        pairs: prompts and what people wrote after them.
        written: what each source wrote after each prompt, in the order of the pairs; or the whole text.
        tokenizers: of the models.
        seed: of the order.

    Example:
        >>> rows = blind_rows([("春眠", "不觉晓")], {"a": ["春眠处处"], "b": ["闻啼鸟"]}, [], seed=0)
        >>> sorted((row.source, row.text) for row in rows)
        [('a', '处处'), ('b', '闻啼鸟'), ('reference', '不觉晓')]
    """
    readers = [Reader(tokenizer) for tokenizer in tokenizers]
    references = [_read(prompt, text, readers) for prompt, text in pairs]
    longest = max(len(text) for _, text in references)
    items = {pair: number for number, pair in enumerate(dict.fromkeys(references))}
    found: dict[tuple[str, str, str], Row] = {}
    for source, texts in {REFERENCE: [text for _, text in pairs], **written}.items():
        for (given, _), reference, text in zip(pairs, references, texts, strict=True):
            prompt, read = _read(given, text.removeprefix(given), readers)
            shown = read.removeprefix(prompt).strip()[:longest].rstrip()
            found.setdefault((source, prompt, shown), Row(source, items[reference], prompt, shown))
    rows = list(found.values())
    random.Random(seed).shuffle(rows)
    return rows


def write_sheet(sheet: Path, rows: Sequence[Row], about: Mapping[str, object], seed: int) -> None:
    """Writes a sheet and its key, both whole or neither.

    Args:
        sheet: a .csv or .tsv, in UTF-8 with the mark by which spreadsheets know it.
        rows: in their order.
        about: what the key tells of all of them.
        seed: of the rows' codes.
    """
    codes = _codes(len(rows), seed)
    key = {code: {"source": row.source, "item": row.item} for code, row in zip(codes, rows, strict=True)}
    try:
        with whole_file(sheet) as temporary:
            with temporary.open("w", encoding="utf-8-sig", newline="") as file:
                table = csv.writer(file, delimiter=DELIMITERS[sheet.suffix.lower()])
                table.writerow([*GIVEN, *CRITERIA])
                for code, row in zip(codes, rows, strict=True):
                    table.writerow([code, _cell(row.prompt), _cell(row.text), *("" for _ in CRITERIA)])
            write_json(key_of(sheet), {**about, "seed": seed, "rows": key})
    except BaseException:
        key_of(sheet).unlink(missing_ok=True)
        raise


def _read(prompt: str, text: str, readers: Iterable[Reader]) -> tuple[str, str]:
    example = Example(text, prompt)
    for reader in readers:
        example = reader.example(example, Report())
    return " ".join(example.prompt.split()), " ".join(example.text.split())


def _codes(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    codes: dict[str, None] = {}
    while len(codes) < count:
        codes["".join(draw.choices(_LETTERS, k=_LENGTH))] = None
    return list(codes)


def _cell(text: str) -> str:
    return f" {text}" if text.startswith(_FORMULA) else text
