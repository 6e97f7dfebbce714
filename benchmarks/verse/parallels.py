"""How parallel real couplets are, and those of models, by the measure and by what it is made of.

    python -m benchmarks.verse.parallels FOLDER NAME=MODEL ... > benchmarks/records/parallels.json

FOLDER holds verse_couplets.tsv.gz; of its couplets those of Tang with sides of seven are read, which had no part in the
classes. Each model writes as many (`--form 对联`): with repeats and loose tones, as the first mini_zh did when it
shipped, and by the settings of today.
"""

import argparse
import csv
import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path

import kgpt2
from benchmarks import turns
from kgpt2.verse.measures import parallels_kept

WAYS = {"with repeats": {"repeats": "free", "tones": "loose"}, "today": {}}


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("models", nargs="+", metavar="NAME=MODEL")
    parser.add_argument("--count", type=int, default=2_000)
    options = parser.parse_args()
    found = {"Tang": figures(real(options.folder, options.count))}
    for name, _, model in (pair.partition("=") for pair in options.models):
        lm = kgpt2.load(model)
        for way, settings in WAYS.items():
            written = lm.generate("", form="对联", num_return=options.count, seed=0, **settings)
            found[f"{name}, {way}"] = figures([one.text for one in written])
    print(json.dumps({**turns.machine(), "count": options.count, "couplets": found}, ensure_ascii=False, indent=2))


def real(folder: Path, count: int) -> list[str]:
    """Couplets of Tang, drawn."""
    with gzip.open(next(folder.rglob("verse_couplets.tsv.gz")), "rt", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["dynasty"] == "tang"]
    pairs = [f"{row['up']}-{row['down']}" for row in rows if len(row["up"]) == len(row["down"]) == 7]
    return random.Random(0).sample(pairs, count)


def figures(couplets: Sequence[str]) -> dict[str, float]:
    """The measure; the share of couplets with a character in both sides; places of one class where none is."""
    clean = [one for one in couplets if not {*one.partition("-")[0]} & {*one.partition("-")[2]}]
    return {
        "parallelism": share(couplets),
        "a character in both sides": round(1 - len(clean) / len(couplets), 3),
        "one class, of couplets without such": share(clean),
    }


def share(couplets: Sequence[str]) -> float:
    """Of all places the share that is parallel."""
    kept, places = (sum(counts) for counts in zip(*map(parallels_kept, couplets), strict=True))
    return round(kept / places, 3)


if __name__ == "__main__":
    main()
