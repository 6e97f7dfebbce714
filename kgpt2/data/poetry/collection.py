"""The chinese-poetry collection (MIT, github.com/chinese-poetry/chinese-poetry) as poems of one line each."""

import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from kgpt2.data.example import Example, Report, Source
from kgpt2.data.poetry.cleaning import clauses, clean
from kgpt2.data.poetry.schemas import Piece
from kgpt2.data.poetry.shelves import PARTS as PARTS
from kgpt2.data.poetry.shelves import Shelf, poem_files, shelves_of
from kgpt2.data.poetry.variants import clause_pairs, first_variants
from kgpt2.errors import RequestError
from kgpt2.files import open_regular, read_json
from kgpt2.verse.form import form_of
from kgpt2.verse.script import convert_script

# Part of a source's identity: one more whenever cleaning or grouping changes what comes out.
REVISION = 2
# 句, "句  其二", 句（note）; but not 句容道中, a place.
_LINES_OF_LOST_POEMS = re.compile(r"句(\s.*|（.*)?", re.DOTALL)


@dataclasses.dataclass(frozen=True, slots=True)
class Poem:
    """A cleaned poem, or paragraph of prose, with what its file says of it ("" where it says nothing).

    Attributes:
        rhythmic: the name of the tune (词牌).
        group: poems with the same group are variants of one another.
    """

    text: str
    title: str
    author: str
    dynasty: str
    part: str
    rhythmic: str
    notes: tuple[str, ...]
    group: str

    @property
    def form(self) -> str:
        """The form as far as its lines tell; see `kgpt2.verse.form.form_of`."""
        return form_of(self.text)


def open_poetry(root: Path, part: str, script: str | None) -> Source:
    """A part of the collection, to learn to write its poems.

    Args:
        root: the collection's folder, in the layout of its repository or of its npm package, or the part's own folder.
        part: one of `kgpt2.data.poetry.shelves.PARTS`.
        script: "simplified" or "traditional"; None: as the collection has it.

    Raises:
        RequestError: there is no such part or folder; the source's functions raise it where a file is not what it
            should be.
    """
    shelves_of(part)
    poem_files(root, part)
    return Source(
        spec=f"chinese_poetry/{part}",
        identity=lambda: _identity(root, part, script),
        read=lambda report: (Example(text, group=group) for text, group in _read(root, part, script, report, _text)),
    )


def read_poems(root: Path, part: str, script: str | None, report: Report) -> Iterator[Poem]:
    """The poems of a part with all that is known of them, in the order of the files, cleaned, each once.

    A poem counts as a duplicate where its Chinese characters, converted to simplified ones, were there before: editions
    differ in punctuation and in the forms of characters. The files are read twice, one at a time.

    Raises:
        RequestError: as `open_poetry`; naming file and row where one is malformed.
    """
    for fields, group in _read(root, part, script, report, _fields):
        title, author, dynasty, rhythmic, text, *notes = fields.split("\n")
        yield Poem(text, title, author, dynasty, part, rhythmic, tuple(notes), group)


def _text(row: Piece, shelf: Shelf, text: str) -> str:
    return text


def _fields(row: Piece, shelf: Shelf, text: str) -> str:
    """All that a poem is made of as one string, since a conversion pays for each call."""
    fields = (row.title, row.author, row.dynasty or shelf.dynasty, row.rhythmic, text, *row.notes)
    return "\n".join(" ".join(field.split()) for field in fields)


def _read(
    root: Path, part: str, script: str | None, report: Report, compose: Callable[[Piece, Shelf, str], str]
) -> Iterator[tuple[str, str]]:
    """What `compose` makes of each poem that is kept, in the script asked for, with the poem's group."""
    files = poem_files(root, part)
    groups = iter(_groups(files, report))
    for shelf, path in files:
        # The groups say which of the good poems are new: None marks a duplicate.
        kept = [
            (compose(row, shelf, text), group)
            for (row, text), group in zip(_good(shelf, path, Report()), groups, strict=False)
            if group is not None
        ]
        target = None if script == "traditional" and shelf.traditional else script
        yield from zip(
            convert_script([fields for fields, _ in kept], target), (group for _, group in kept), strict=True
        )


def _good(shelf: Shelf, path: Path, report: Report) -> Iterator[tuple[Piece, str]]:
    """The rows of a file that are worth keeping, with their texts."""
    for row in shelf.schema(path, read_json(path, "poem file")):
        text, rules, reason = clean(row.paragraphs, verse=shelf.verse)
        if not reason and shelf.verse and _LINES_OF_LOST_POEMS.fullmatch(row.title):
            reason = "fragment"
        if reason:
            report.dropped[reason] += 1
        else:
            report.cleaned.update(row.mended + rules)
            yield row, text


def _groups(files: list[tuple[Shelf, Path]], report: Report) -> Iterator[str | None]:
    """For each good poem of the files the name of its group; None for a duplicate. Fills the report."""
    seen: set[bytes] = set()
    fresh = bytearray()
    names: list[bytes] = []
    pairs, owners = [], []
    for shelf, path in files:
        texts = []
        for text in convert_script([text for _, text in _good(shelf, path, report)], "simplified"):
            name = hashlib.blake2b("".join(clauses(text)).encode(), digest_size=16).digest()
            fresh.append(name not in seen)
            if name not in seen:
                seen.add(name)
                texts.append(text)
                names.append(name)
        file_pairs, file_owners = clause_pairs(texts)
        pairs.append(file_pairs)
        owners.append(file_owners + np.int32(len(names) - len(texts)))
    report.dropped["duplicate"] += len(fresh) - len(names)
    del seen
    firsts = iter(first_variants(np.concatenate(pairs), np.concatenate(owners), len(names)))
    return (names[next(firsts)].hex() if new else None for new in fresh)


def _identity(root: Path, part: str, script: str | None) -> str:
    """A digest of the files' bytes and of what is done with them."""
    digest = hashlib.sha256(f"chinese_poetry {REVISION} {part} {script}".encode())
    for _, path in poem_files(root, part):
        digest.update(f"\n{path.name} ".encode())
        try:
            with open_regular(path, "poem file") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise RequestError(f"{path}: cannot be read ({error.strerror})") from None
    return digest.hexdigest()
