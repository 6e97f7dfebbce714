"""How many poems hold both of the words that they were asked for.

    python -m benchmarks.verse.keywords mini_zh > benchmarks/records/keywords.json

The pairs are drawn from the 800 commonest words of verse (kgpt2/assets/verse/words.tsv), so they need not belong
together; each is asked for once, in each of several ways.
"""

import argparse
import json
import random
import sys
import time

import kgpt2
from benchmarks import turns
from kgpt2.assets import verse_table
from kgpt2.verse.script import convert_script

WAYS = {
    "no form": {},
    "no form, the best of 8": {"best_of": 8},
    "七绝": {"form": "七绝"},
    "七绝, the best of 8": {"form": "七绝", "best_of": 8},
}
COMMONEST = 800


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    words = [line.split("\t")[0] for line in verse_table("words").read_text("utf-8").splitlines()]
    words = list(dict.fromkeys(convert_script(words, "simplified")))[:COMMONEST]
    draw = random.Random(0)
    pairs = [draw.sample(words, 2) for _ in range(options.count)]
    lm = kgpt2.load(options.model)
    ways = {}
    for name, settings in WAYS.items():
        began = time.perf_counter()
        texts = [lm.generate("", keywords=pair, seed=seed, **settings)[0].text for seed, pair in enumerate(pairs)]
        both = sum(all(word in text for word in pair) for pair, text in zip(pairs, texts, strict=True))
        one = sum(any(word in text for word in pair) for pair, text in zip(pairs, texts, strict=True))
        ways[name] = {"both": both / len(pairs), "one or both": one / len(pairs)}
        ways[name] |= {"seconds": round(time.perf_counter() - began, 1), "sample": [pairs[0], texts[0]]}
        print(name, ways[name], file=sys.stderr)
    print(json.dumps({**turns.machine(), "pairs": len(pairs), "ways": ways}, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
