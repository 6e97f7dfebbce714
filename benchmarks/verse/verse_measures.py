"""What the form metrics say of real verse, and of the same characters shuffled.

    python -m benchmarks.verse.verse_measures FOLDER > benchmarks/records/verse_measures.json

FOLDER holds poems as JSON lines with "text" and "form" (tang_wujue.jsonl.gz, ...) and verse_couplets.tsv.gz. Shuffled
are the characters of a text; its marks stay where they are.
"""

import argparse
import csv
import gzip
import json
import random
from pathlib import Path

from benchmarks import turns
from kgpt2.evaluation.form_metrics import form_metrics
from kgpt2.verse.han import is_han

POEMS = ("tang_wujue", "tang_qijue", "tang_wulv", "tang_qilv")


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--texts", type=int, default=5_000, help="of each kind, drawn")
    options = parser.parse_args()
    found = {}
    for name in (*POEMS, "verse_couplets"):
        texts = list(_couplets(options.folder) if name == "verse_couplets" else _poems(options.folder, name))
        texts = random.Random(0).sample(texts, min(options.texts, len(texts)))
        shuffled = [_shuffled(text, random.Random(number)) for number, text in enumerate(texts)]
        found[name] = {"real": form_metrics(texts, texts), "shuffled": form_metrics(shuffled, texts)}
    print(json.dumps({**turns.machine(), "kinds": found}, ensure_ascii=False, indent=2))


def _poems(folder: Path, name: str):
    with gzip.open(next(folder.rglob(f"{name}.jsonl.gz")), "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)["text"].replace("\n", "")


def _couplets(folder: Path):
    with gzip.open(next(folder.rglob("verse_couplets.tsv.gz")), "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            yield f"{row['up']}-{row['down']}"


def _shuffled(text: str, draw: random.Random) -> str:
    characters = [sign for sign in text if is_han(sign)]
    draw.shuffle(characters)
    return "".join(characters.pop() if is_han(sign) else sign for sign in text)


if __name__ == "__main__":
    main()
