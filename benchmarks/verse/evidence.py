"""Counts what verse itself says of tones and rhymes, and writes the tables that kgpt2 reads its tones from.

    npm pack chinese-poetry@2.0.1 && tar xzf chinese-poetry-2.0.1.tgz
    python -m benchmarks.verse.evidence package

Read are the poems of Tang and Song that have four or eight lines of five or seven characters. Of the characters of
one tone in 平水韵 those at firm places tell which of the four patterns a poem keeps; poems that keep one in at least 93
of 100 such places, and no other as well, are counted: every character at a firm place, as level or oblique. Firm are
the ends of lines, the second place (the fourth of seven), and in lines that end level the one before the last but one;
the others may change by licence. Rhyming ends settle patterns and are not counted here: some characters are level only
where they rhyme (不 for 否). A second count goes by the tones that the first one found.

A character at the end of an even line counts for the one level rhyme that all other such ends of its poem share.
"""

import argparse
import collections
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from kgpt2.assets import verse_table
from kgpt2.data.example import Report
from kgpt2.data.poetry.collection import read_poems
from kgpt2.verse.han import HAN
from kgpt2.verse.script import convert_script
from kgpt2.verse.sounds import LEVEL, OBLIQUE, book_tone, readings, rhymes_in_book
from kgpt2.writing import write_text

FIT = 0.93
FORMS = ("五绝", "七绝", "五律", "七律")
# The ends of a pattern's first four lines, and the tone of the second place of each, in lines of five.
ORDERS = ("甲乙丙丁", "丁乙丙丁", "丙丁甲乙", "乙丁甲乙")
SECOND = {"甲": OBLIQUE, "乙": LEVEL, "丙": LEVEL, "丁": OBLIQUE}
END = {"甲": OBLIQUE, "乙": LEVEL, "丙": OBLIQUE, "丁": LEVEL}

_LINE = re.compile(f"[{HAN}]+")
Tones = dict[str, int]
Counts = dict[str, list[int]]


class Lines(NamedTuple):
    """A poem's lines as the collection has them, and simplified."""

    written: list[str]
    simplified: list[str]


def main() -> None:
    """Writes two tables, and prints how many poems were counted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collection", type=Path, metavar="FOLDER")
    poems = list(read(parser.parse_args().collection))
    signs = {sign for poem in poems for line in (*poem.written, *poem.simplified) for sign in line}
    tones = {sign: tone for sign in signs if (tone := book_tone(sign)) in (LEVEL, OBLIQUE)}
    for _ in range(2):
        settled = [(poem, order) for poem in poems if (order := order_of(poem.simplified, tones))]
        uses = tone_uses(settled)
        found = {sign: readings(*uses.get(sign, (0, 0)), book_tone(sign)) for sign in signs}
        tones = {sign: tone for sign, tone in found.items() if tone in (LEVEL, OBLIQUE)}
    rhymes = rhyme_uses(poem for poem, _ in settled)
    write("tones", {sign: f"{level}\t{oblique}" for sign, (level, oblique) in by_use(uses)})
    write("rhymes", {sign: entries(counts) for sign, counts in rhymes.items()})
    ends = sum(sum(counts.values()) for counts in rhymes.values())
    print(
        f"{len(poems):,} poems of the four forms, {len(settled):,} settled; {len(uses):,} signs, {ends:,} rhyming ends"
    )


def read(collection: Path) -> Iterator[Lines]:
    """The poems of Tang and Song in one of the four forms."""
    for part in ("tang", "song"):
        texts = [poem.text for poem in read_poems(collection, part, None, Report()) if poem.form in FORMS]
        for text, simplified in zip(texts, convert_script(texts, "simplified"), strict=True):
            if len(text) == len(simplified):
                yield Lines(lines_of(text), lines_of(simplified))


def lines_of(text: str) -> list[str]:
    """The runs of characters between marks."""
    return _LINE.findall(text)


def firm_places(length: int, kind: str) -> dict[int, int]:
    """The places of a line of five or seven that no licence changes, and their tones."""
    shift = length - 5
    firm = {shift + 1: SECOND[kind], length - 1: END[kind]}
    if END[kind] == LEVEL:
        firm[shift + 3] = SECOND[kind] ^ (LEVEL | OBLIQUE)
    return firm


def kinds(order: str, lines: int) -> str:
    """The type of each line."""
    unrhymed = {"丁乙": "甲", "乙丁": "丙"}.get(order[:2], order[0])
    return (order + unrhymed + order[1:])[:lines]


def order_of(lines: list[str], tones: Tones) -> str:
    """The one pattern that a poem keeps; "" where it keeps none, or several."""
    shares = []
    for order in ORDERS:
        kept = known = 0
        for line, kind in zip(lines, kinds(order, len(lines)), strict=True):
            for place, tone in firm_places(len(line), kind).items():
                if line[place] in tones:
                    known += 1
                    kept += tones[line[place]] == tone
        shares.append((kept / max(known, 1), order))
    (best, order), (second, _) = sorted(shares, reverse=True)[:2]
    return order if best >= FIT and second < best else ""


def tone_uses(settled: Iterable[tuple[Lines, str]]) -> Counts:
    """How often each sign stands where the pattern is level, and where it is oblique."""
    uses: Counts = collections.defaultdict(lambda: [0, 0])
    for poem, order in settled:
        for number, kind in enumerate(kinds(order, len(poem.simplified))):
            for place, tone in firm_places(len(poem.simplified[number]), kind).items():
                if place < len(poem.simplified[number]) - 1 or tone == OBLIQUE:
                    for sign in {poem.written[number][place], poem.simplified[number][place]}:
                        uses[sign][tone == OBLIQUE] += 1
    return uses


def rhyme_uses(poems: Iterable[Lines]) -> dict[str, collections.Counter[str]]:
    """How often each sign rhymes with each level rhyme."""
    uses: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for poem in poems:
        ends = [line[-1] for line in poem.simplified[1::2]]
        known = [rhymes_in_book(end, LEVEL) for end in ends]
        for number, line in enumerate(poem.written[1::2]):
            others = [names for other, names in enumerate(known) if other != number and names]
            shared = frozenset.intersection(*others) if others else frozenset()
            if len(shared) == 1:
                for sign in {line[-1], ends[number]}:
                    uses[sign].update(shared)
    return dict(sorted(uses.items(), key=lambda one: -sum(one[1].values())))


def by_use(uses: Counts) -> list[tuple[str, list[int]]]:
    """The most used first."""
    return sorted(uses.items(), key=lambda one: (-sum(one[1]), one[0]))


def entries(counts: collections.Counter[str]) -> str:
    """The rhymes of a sign by their uses, those of less than one in a hundred left out."""
    least = sum(counts.values()) / 100
    return " ".join(f"{name}:{count}" for name, count in counts.most_common() if count >= least)


def write(name: str, rows: dict[str, str]) -> None:
    """A table, a sign a line."""
    write_text(verse_table(name), "".join(f"{sign}\t{row}\n" for sign, row in rows.items()))


if __name__ == "__main__":
    main()
