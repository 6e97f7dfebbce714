"""Verse of all genres, each text behind marks: what a model learns to write by genre, title and keywords from."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from kgpt2.data.couplets import couplets_of, normalised
from kgpt2.data.example import Example, Report, Source
from kgpt2.data.poetry.collection import open_poetry, read_poems
from kgpt2.data.splits import key_of
from kgpt2.verse.genres import CI, COUPLET, MARKS, Asked, genre_of, prompt_of
from kgpt2.verse.notation import form_of_text
from kgpt2.verse.words import some_words

PARTS = ("tang", "song", "ci")
# Part of the identity: one more whenever a text would get other marks.
REVISION = 2
# One text in so many goes without a mark, so that the model also takes a prompt of which nobody has told anything.
_UNMARKED = 5
# Of the others: how many of a hundred get a title (where the collection has one), keywords, and no genre beside them.
_TITLED, _WITH_KEYWORDS, _WITHOUT_GENRE = 40, 50, 15
_LONGEST_TITLE = 12
_KEYWORDS = (1, 1, 1, 2, 2, 2, 2, 3, 3, 4)  # how many, each as likely as the next


def open_verse(roots: Mapping[str, Path], script: str | None) -> Source:
    """Poems, ci and the couplets within regulated verse; the marks are read, not learned.

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
                yield _marked(Example(poem.text, group=poem.group), genre, _title(poem.rhythmic or poem.title))
                couplets += couplets_of(poem)
        for example in normalised(iter(couplets), report):
            yield _marked(example, COUPLET, "")

    return Source("verse", lambda: f"genres {REVISION} " + " ".join(one.identity() for one in sources), read, MARKS)


def _marked(example: Example, genre: str, title: str) -> Example:
    """The text behind the marks that its key draws for it, the same at each reading."""
    key = key_of(example.text)
    if key % _UNMARKED == 0:
        return example
    titled, with_keywords, without_genre, many = ((key >> shift) % 100 for shift in (8, 20, 32, 44))
    asked = Asked(
        title if titled < _TITLED else "",
        some_words(example.text, _KEYWORDS[many % len(_KEYWORDS)], key) if with_keywords < _WITH_KEYWORDS else (),
    )
    bare = asked != Asked() and without_genre < _WITHOUT_GENRE
    return Example(example.text, prompt_of("" if bare else genre, asked), example.group)


def _title(title: str) -> str:
    """A title, or the name of a tune, as somebody would ask for it; "" where it is none."""
    head = title.replace("・", " ").replace("·", " ").split()
    short = head[0] if head else ""
    return short if short.isalpha() and len(short) <= _LONGEST_TITLE else ""
