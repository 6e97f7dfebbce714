"""Mends the patterns of the hundred commonest tunes (词牌) on one half of the Song ci, and reports on the other half.

    python -m benchmarks.verse.tunes cipu_couyun.tsv song_ci.jsonl.gz > benchmarks/records/tunes.json

cipu_couyun.tsv: tunes of github.com/hulbji/couyun (MIT, © 2026 hulbji, after 钦定词谱, 1715). Lines and
marks are those that the ci have; which lines rhyme is the table's that most of them keep; a place is level or oblique
where nine in ten are.
The names were fixed beforehand (tune_names.tsv). A comma within a line (、) is read over.
"""

import argparse
import collections
import gzip
import json
import re
import sys
import zlib
from pathlib import Path

from benchmarks import turns
from kgpt2.assets import verse_table
from kgpt2.verse.han import HAN
from kgpt2.verse.sounds import LEVEL, OBLIQUE, end_tone_of, families, rhymes_of, tone_of
from kgpt2.writing import write_text

NAMES = Path(__file__).with_name("tune_names.tsv")
MOST_VARIANTS, CLEAR, KNOWN = 40, 0.9, 5
_LINE = re.compile(f"([{HAN}]+)([，。；！？：]+)")


def main() -> None:
    """Writes the table, and prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tunes", type=Path)
    parser.add_argument("poems", type=Path)
    options = parser.parse_args()
    names = [line.split("\t") for line in NAMES.read_text("utf-8").splitlines()]
    listed = read_tunes(options.tunes)
    called = {alias: name for name, _, others in names for alias in (name, *others.split())}
    poems = read_poems(options.poems, called)
    rows, report = [], {}
    for name, _, others in names:
        mine = [poem for half, poem in poems[name] if half]
        variants = mend(mine, listed[name] + listed[f"{name}令"])
        for number, (_, pattern) in enumerate(variants, 1):
            rows.append(f"{name}\t{others}\t{number}\t{pattern}\n")
        report[name] = look([poem for half, poem in poems[name] if not half], [found for found, _ in variants])
    write_text(verse_table("tunes"), "".join(rows))
    total = {key: sum(row[key] for row in report.values()) for key in ("ci", "passed", "places", "kept")}
    shares = {"lines_and_rhymes": total["passed"] / total["ci"], "tones": total["kept"] / total["places"]}
    good = sum(row["passed"] >= 0.8 * row["ci"] for row in report.values())
    print(total, shares, good, len(rows), file=sys.stderr)
    report = {**turns.machine(), **total, **shares, "tunes_at_80_percent": good, "variants": len(rows), "tunes": report}
    print(json.dumps(report, ensure_ascii=False, indent=1))


def read_tunes(path: Path) -> dict[str, list[tuple[str, list[list[int]]]]]:
    """The tones and groups of rhyming places of each variant of each tune."""
    found = collections.defaultdict(list)
    for line in path.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            name, _, _, _, tones, groups, _ = line.split("\t")
            found[name].append((tones, [sorted(map(abs, group)) for group in json.loads(groups).values()]))
    return found


def read_poems(path: Path, called: dict[str, str]) -> dict[str, list[tuple[int, list[tuple[str, str]]]]]:
    """The ci of each tune: which half, and lines with their marks."""
    found = collections.defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for poem in map(json.loads, file):
            name = called.get(re.split("[・（]", poem["title"])[0].strip())
            text = poem["text"].replace("、", "")
            lines = _LINE.findall(text)
            if name and "".join(map("".join, lines)) == text:
                found[name].append((zlib.crc32(text.encode()) % 2, lines))
    return found


def shape(poem: list[tuple[str, str]]) -> tuple[int, ...]:
    return tuple(len(line) for line, _ in poem)


def ends_of(lengths: tuple[int, ...]) -> list[int]:
    return [sum(lengths[: number + 1]) - 1 for number in range(len(lengths))]


def rhymes(signs: str, group: list[int]) -> bool:
    """Whether all these places can share a part of 词林正韵; what has no known rhyme does not count."""
    shared = None
    for place in group:
        known = [name for tone in (LEVEL, OBLIQUE) for name in rhymes_of(signs[place], tone, "cilin")]
        names = {part for name in known for part in families(name, "cilin")}
        shared = names if shared is None else shared & names if names else shared
    return bool(shared)


def mend(poems, listed) -> list[tuple[tuple, str]]:
    """The variants that at least two ci have: (lengths, groups, tones), and the pattern."""
    counts = collections.Counter(map(shape, poems))
    variants = []
    for lengths, count in counts.most_common(MOST_VARIANTS):
        if variants and count < 2:
            break
        mine = [poem for poem in poems if shape(poem) == lengths]
        texts = ["".join(line for line, _ in poem) for poem in mine]
        ends = {*ends_of(lengths)}
        fits = [one for one in listed if len(one[0]) == sum(lengths) and {p for g in one[1] for p in g} <= ends]
        if not fits:
            continue
        scores = [sum(all(rhymes(text, group) for group in groups) for text in texts) for _, groups in fits]
        # Of variants that nearly as many ci keep, the one with the most rhymes: fewer are always kept more often.
        kept = [one for one, score in zip(fits, scores, strict=True) if score >= 0.85 * max(scores)]
        tones, groups = max(kept, key=lambda one: sum(map(len, one[1])))
        groups = [group for group in groups if len(group) > 1][:9]
        rhyming = {place: number for number, group in enumerate(groups, 1) for place in group}
        flags = [settled(texts, place, tones[place], place in rhyming) for place in range(sum(lengths))]
        variants.append(((lengths, groups, flags), written(mine, lengths, flags, rhyming)))
    return variants


def settled(texts: list[str], place: int, listed: str, rhyming: bool) -> int:
    """The tone of a place: nine in ten of those known, or the table's where few are."""
    known = [tone for text in texts if (tone := (end_tone_of if rhyming else tone_of)(text[place])) in (LEVEL, OBLIQUE)]
    level = sum(tone == LEVEL for tone in known)
    if rhyming:
        return LEVEL if 2 * level > len(known) or (not known and listed == "平") else OBLIQUE
    if len(known) < KNOWN:
        own = {"平": LEVEL, "仄": OBLIQUE}.get(listed, 3)
        return own if all(tone & own for tone in known) else 3
    return LEVEL if level >= CLEAR * len(known) else OBLIQUE if level <= (1 - CLEAR) * len(known) else 3


def written(poems, lengths, flags, rhyming) -> str:
    """The pattern in the notation of forms."""
    pattern, place = "", 0
    for number, length in enumerate(lengths):
        for _ in range(length):
            signs = "Rr" if place in rhyming else "pz"
            pattern += {1: signs[0], 2: signs[1], 3: "x"}[flags[place]] + str(rhyming.get(place, ""))
            place += 1
        stops = sum(poem[number][1] in "。！？" for poem in poems)
        pattern += "。" if 2 * stops > len(poems) or number == len(lengths) - 1 else "，"
    return pattern


def look(poems, variants) -> dict[str, int]:
    """How many ci have the lines and rhymes of a variant, and at how many places of known tone they keep its tones."""
    found = collections.Counter(ci=len(poems), passed=0, places=0, kept=0)
    for poem in poems:
        text = "".join(line for line, _ in poem)
        same = [one for one in variants if one[0] == shape(poem)]
        found["passed"] += any(all(rhymes(text, group) for group in one[1]) for one in same)
        for one in same[:1]:
            asked = [(sign, flag) for sign, flag in zip(text, one[2], strict=True) if tone_of(sign)]
            found["places"] += len(asked)
            found["kept"] += sum(bool((tone_of(sign) | end_tone_of(sign)) & flag) for sign, flag in asked)
    return dict(found)


if __name__ == "__main__":
    main()
