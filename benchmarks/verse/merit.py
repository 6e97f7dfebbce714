"""Whether the merit that `best_of` chooses by knows verse: real poems, the same shuffled, and a model's own.

    python -m benchmarks.verse.merit FILE.jsonl.gz --model mini_zh > benchmarks/records/merit.json

FILE has an object a line with a "text": quatrains of seven characters. Shuffled are the characters within each poem,
its marks in their places. The model writes as many, of the same form; then `best_of` 16, from the same seeds.
"""

import argparse
import gzip
import json
import random
import statistics
from collections.abc import Sequence

import kgpt2
from benchmarks import turns
from kgpt2.generation.merit import merit
from kgpt2.generation.rows import Generation
from kgpt2.verse.han import is_han
from kgpt2.verse.measures import characters_repeated

FORM = "七绝"


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--model", default="mini_zh")
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    with gzip.open(options.file, "rt", encoding="utf-8") as file:
        poems = [json.loads(line)["text"] for line in file]
    real = random.Random(0).sample([poem for poem in poems if len(poem) == 32], options.count)
    lm = kgpt2.load(options.model)
    own = [lm.generate("", form=FORM, seed=seed)[0].text for seed in range(options.count)]
    best = [lm.generate("", form=FORM, seed=seed, best_of=16)[0].text for seed in range(options.count)]
    kinds = {"real": real, "shuffled": [shuffled(poem) for poem in real], "written": own, "best of 16": best}
    scored = {name: [scored_text(lm, text) for text in texts] for name, texts in kinds.items()}
    report = {name: figures(found) for name, found in scored.items()}
    pairs = zip(scored["real"], scored["shuffled"], strict=True)
    report["real above its shuffled"] = sum(merit(one) > merit(other) for one, other in pairs) / options.count
    beside = zip(scored["real"], scored["written"], strict=True)
    report["real above one written"] = sum(merit(one) > merit(other) for one, other in beside) / options.count
    print(json.dumps({**turns.machine(), "count": options.count, **report}, ensure_ascii=False, indent=2))


def shuffled(poem: str) -> str:
    """The same characters in another order, marks in their places."""
    characters = [sign for sign in poem if is_han(sign)]
    random.Random(poem).shuffle(characters)
    drawn = iter(characters)
    return "".join(next(drawn) if is_han(sign) else sign for sign in poem)


def scored_text(lm: kgpt2.LanguageModel, text: str, form: str = FORM) -> Generation:
    """A text with the log-probabilities that its model gives it behind the mark of its form; marks and end apart."""
    (score,) = lm.score(f"[{form}]{text}")
    pairs = list(zip(f"?{text}", score.logprobs, strict=False))
    return Generation("", 0, text, text, [], len(text), "stop", 0, [value for sign, value in pairs if is_han(sign)])


def figures(found: Sequence[Generation]) -> dict[str, float]:
    """Means over texts."""
    repeats = [characters_repeated(one.text) for one in found]
    return {
        "merit": round(statistics.fmean(map(merit, found)), 3),
        "log_probability": round(statistics.fmean(statistics.fmean(one.logprobs or [0.0]) for one in found), 3),
        "repeated": round(sum(held for held, _ in repeats) / sum(places for _, places in repeats), 4),
    }


if __name__ == "__main__":
    main()
