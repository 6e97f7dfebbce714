"""Mends the patterns of the hundred commonest tunes (词牌) on one half of the Song ci, and reports on the other half.

    python -m benchmarks.verse.tunes cipu_couyun.tsv song_ci.jsonl.gz tang_other.jsonl.gz > records/tunes.json

cipu_couyun.tsv: tunes of github.com/hulbji/couyun (MIT, © 2026 hulbji, after 钦定词谱, 1715). The names were fixed
beforehand (tune_names.tsv). A comma within a line (、) is read over. With --trial a quarter of the counting half is
held out from it, and the other half is not looked at: what is chosen is chosen so.
"""

import argparse
import collections
import gzip
import hashlib
import itertools
import json
import random
import re
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import turns
from benchmarks.verse.tune_variants import Ci, Listed, Variant, mixed_parts, variants_of, written
from kgpt2.assets import verse_table
from kgpt2.verse.check_tune import Found, find_tune
from kgpt2.verse.han import HAN
from kgpt2.verse.notation import lines_of, parse
from kgpt2.verse.sounds import tone_of
from kgpt2.verse.tunes import tunes
from kgpt2.writing import write_text

NAMES = Path(__file__).with_name("tune_names.tsv")
_LINE = re.compile(f"([{HAN}]+)([，。；！？：]+)")
Halves = tuple[list[Ci], list[Ci]]


def main() -> None:
    """Writes the table, and prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tunes", type=Path)
    parser.add_argument("poems", type=Path)
    parser.add_argument("tang", type=Path, help="Tang verse in other forms, some of it ci.")
    parser.add_argument("--trial", action="store_true", help="Hold a quarter of the counting half out instead.")
    options = parser.parse_args()
    names = [line.split("\t") for line in NAMES.read_text("utf-8").splitlines()]
    listed = read_tunes(options.tunes)
    called = {alias: name for name, _, others in names for alias in (name, *others.split())}
    halves = {name: halved(poems, options.trial) for name, poems in read_poems(options.poems, called).items()}
    older = [poem for _, poem in titled(options.tang)]
    variants = {name: variants_of(halves[name][0], listed[name] + listed[f"{name}令"], older) for name, _, _ in names}
    rows = [
        f"{name}\t{others}\t{number}\t{written(variant)}\n"
        for name, _, others in names
        for number, variant in enumerate(variants[name], 1)
    ]
    write_text(verse_table("tunes"), "".join(rows))
    counted, held_out = ({name: halves[name][half] for name, _, _ in names} for half in (0, 1))
    report = {**turns.machine(), "variants": len(rows), **looked_at(held_out)}
    report |= {"other_tunes": other_tunes(held_out), "one_rhyme_changed": one_changed(held_out)}
    report |= {"failures_of_the_counting_half": failures(counted), "mixed_parts": mixed(counted, variants)}
    print({key: value for key, value in report.items() if key != "tunes"}, file=sys.stderr)
    print(json.dumps(report, ensure_ascii=False, indent=1))


def read_tunes(path: Path) -> dict[str, list[Listed]]:
    """The tones and groups of rhyming places of each variant of each tune."""
    found = collections.defaultdict(list)
    for line in path.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            name, _, _, _, tones, groups, lengths = line.split("\t")
            places = (tuple(sorted(map(abs, group))) for group in json.loads(groups).values())
            found[name].append(Listed(tones, tuple(places), tuple(map(int, lengths.split(",")))))
    return found


def read_poems(path: Path, called: Mapping[str, str]) -> dict[str, list[Ci]]:
    """The ci of each tune, its other names among them."""
    found = collections.defaultdict(list)
    for title, poem in titled(path):
        if name := called.get(re.split("[・（]", title)[0].strip()):
            found[name].append(poem)
    return found


def titled(path: Path) -> Iterator[tuple[str, Ci]]:
    """The titles of a collection, and the texts; those with other signs than characters and marks are left out."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for poem in map(json.loads, file):
            text = poem["text"].replace("、", "")
            lines = _LINE.findall(text)
            if lines and "".join(map("".join, lines)) == text:
                words, marks = zip(*lines, strict=True)
                yield poem["title"], Ci("".join(words), tuple(map(len, words)), marks)


def halved(poems: Sequence[Ci], trial: bool) -> Halves:
    """The ci to count, and those to report on; on trial both are of the counting half."""
    halves: Halves = [], []
    for poem in poems:
        text = "".join(map("".join, zip(words_of(poem), poem.marks, strict=True))).encode()
        counting = zlib.crc32(text) % 2 == 1
        if trial:
            # Of another kind: parts of one checksum hang together.
            counting, looked_at = hashlib.sha256(text).digest()[0] % 4 > 0, counting
        if not trial or looked_at:
            halves[not counting].append(poem)
    return halves


def words_of(poem: Ci) -> list[str]:
    """The lines of a ci."""
    starts = [0, *(end + 1 for end in poem.ends)]
    return [poem.text[start:end] for start, end in itertools.pairwise(starts)]


def looked_at(poems: Mapping[str, Sequence[Ci]]) -> dict[str, object]:
    """What ci keep of their tunes, by the check; each tune, and all of them."""
    report = {name: kept(name, mine) for name, mine in poems.items()}
    total = {key: sum(row[key] for row in report.values()) for key in next(iter(report.values()))}
    shares = {
        "lines_and_rhymes": total["passed"] / total["ci"],
        "of_these_without_licence": total["without_licence"] / total["ci"],
        "tones": total["kept"] / total["places"],
        "tunes_at_80_percent": sum(row["passed"] >= 0.8 * row["ci"] for row in report.values()),
    }
    return {**total, **shares, "tunes": report}


def kept(name: str, poems: Sequence[Ci]) -> dict[str, int]:
    """How many ci have the lines and rhymes of a tune, with which licences, and how they keep its tones."""
    keys = ("ci", "passed", "without_licence", "cut_otherwise", "neighbouring_rhyme", "places", "kept")
    counts = dict.fromkeys(keys, 0)
    for poem in poems:
        found = find_tune(words_of(poem), name, "cilin")
        counts["ci"] += 1
        if found is None:
            continue
        taken = {licence for line in found.licences for licence in line}
        if passes(poem, found):
            counts["passed"] += 1
            counts["without_licence"] += not taken
            counts["cut_otherwise"] += "句读" in taken
            counts["neighbouring_rhyme"] += "邻韵" in taken
        known = sum(tone_of(sign) > 0 for sign in poem.text)
        counts["places"] += known
        counts["kept"] += known - sum(fault.kind == "出律" for fault in found.faults)
    return counts


def passes(poem: Ci, found: Found | None, *, tones: bool = False) -> bool:
    """Whether a ci has the lines of a tune and its rhymes, in sound and tone; and, where asked, keeps all tones."""
    if found is None:
        return False
    rhyming = _rhyming(found)
    starts = [0, *(end + 1 for end in poem.ends)]
    return not any(
        fault.kind == "出韵"
        or (fault.kind == "出律" and (tones or starts[fault.line - 1] + fault.place - 1 in rhyming))
        for fault in found.faults
    )


def _rhyming(found: Found) -> set[int]:
    """The rhyming places, marks not counted."""
    signs = [slot for slot in parse(found.variant) if not slot.mark]
    return {place for place, slot in enumerate(signs) if slot.rhyme}


def other_tunes(poems: Mapping[str, Sequence[Ci]]) -> dict[str, object]:
    """How many ci pass the check of a tune that is not theirs: by lines and rhymes, and by tones too."""
    lengths = collections.defaultdict(set)
    for name, count in tunes().items():
        for number in range(1, count + 1):
            lengths[sum(map(len, lines_of(parse(f"{name}{number}"))))].add(name)
    pairs: collections.Counter[str] = collections.Counter()
    total = by_tones = passed = 0
    for name, mine in poems.items():
        for poem in mine:
            others = lengths[len(poem.text)] - {name}
            found = {other: find_tune(words_of(poem), other, "cilin") for other in others}
            passing = [other for other in others if passes(poem, found[other])]
            pairs.update(f"{name} as {other}" for other in passing)
            total, passed = total + 1, passed + bool(passing)
            by_tones += any(passes(poem, found[other], tones=True) for other in passing)
    return {"ci": total, "passed": passed, "by_tones_too": by_tones, "most": dict(pairs.most_common(10))}


def one_changed(poems: Mapping[str, Sequence[Ci]]) -> dict[str, int]:
    """How many ci still pass with the last character of another ci's line in place of one rhyme."""
    draw = random.Random(0)
    ends = [poem.text[end] for mine in poems.values() for poem in mine for end in poem.ends]
    counts = {"ci": 0, "passed": 0}
    for name, mine in poems.items():
        for poem in mine:
            found = find_tune(words_of(poem), name, "cilin")
            if found is not None and passes(poem, found):
                place = draw.choice(sorted(_rhyming(found)))
                changed = poem._replace(text=poem.text[:place] + draw.choice(ends) + poem.text[place + 1 :])
                counts["ci"] += 1
                counts["passed"] += passes(changed, find_tune(words_of(changed), name, "cilin"))
    return counts


def failures(poems: Mapping[str, Sequence[Ci]]) -> dict[str, int]:
    """Why ci do not have the lines and rhymes of their tune."""
    why: collections.Counter[str] = collections.Counter()
    for name, mine in poems.items():
        patterns = [parse(f"{name}{number}") for number in range(1, tunes().get(name, 0) + 1)]
        lengths = {sum(map(len, lines_of(pattern))) for pattern in patterns}
        for poem in mine:
            found = find_tune(words_of(poem), name, "cilin")
            if passes(poem, found):
                why["none"] += 1
            elif found is None:
                why["lines" if len(poem.text) in lengths else "no variant of so many characters"] += 1
            else:
                why["a rhyme" if any(fault.kind == "出韵" for fault in found.faults) else "a rhyme's tone"] += 1
    return dict(why)


def mixed(poems: Mapping[str, Sequence[Ci]], variants: Mapping[str, Sequence[Variant]]) -> dict[str, list[int]]:
    """Parts that ci mix: in how many of those that rhyme on the first the second comes too, from one in a hundred."""
    rhyming: collections.Counter[str] = collections.Counter()
    together: collections.Counter[tuple[str, str]] = collections.Counter()
    for name, mine in poems.items():
        for part, others in mixed_parts(mine, variants[name]):
            rhyming[part] += 1
            together.update((part, other) for other in others)
    shares = {pair: count / rhyming[pair[0]] for pair, count in together.items() if count >= 10}
    return {
        f"{part} {other}": [together[part, other], rhyming[part]]
        for (part, other), share in sorted(shares.items(), key=lambda one: -one[1])
        if share >= 0.01
    }


if __name__ == "__main__":
    main()
