"""Verse of all genres, each text behind the mark of its genre: what a model learns to write by `--form` from."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from kgpt2.data.couplets import couplets_of, normalised
from kgpt2.data.example import Example, Report, Source
from kgpt2.data.poetry.collection import open_poetry, read_poems
from kgpt2.data.splits import key_of
from kgpt2.verse.genres import CI, COUPLET, MARKS, genre_of, mark_of
from kgpt2.verse.notation import form_of_text

PARTS = ("tang", "song", "ci")
# One text in so many goes without a mark, so that the model also takes a prompt whose genre nobody has told.
_UNMARKED = 5


def open_verse(roots: Mapping[str, Path], script: str | None) -> Source:
    """Poems, ci and the couplets within regulated verse; the mark is read, not learned.

    A poem and its couplets are one group: they are held out together.

    Args:
        roots: the parts of the collection, of `PARTS`, each with its folder.
        script: "simplified" or "traditional"; None: as the collection has it.

    Raises:
        RequestError: as `open_poetry`.
    """
    sources = [open_poetry(root, part, script) for part, root in roots.items()]

    def read(report: Report) -> Iterator[Example]:
        couplets = []
        for part, root in roots.items():
            for poem in read_poems(root, part, script, report):
                genre = CI if part == "ci" else genre_of(form_of_text(poem.text))
                yield _marked(Example(poem.text, group=poem.group), genre)
                couplets += couplets_of(poem)
        for example in normalised(iter(couplets), report):
            yield _marked(example, COUPLET)

    return Source("verse", lambda: " ".join(["genres", *(one.identity() for one in sources)]), read, MARKS)


def _marked(example: Example, genre: str) -> Example:
    known = key_of(example.text) % _UNMARKED > 0
    return Example(example.text, mark_of(genre) if known else "", example.group)
