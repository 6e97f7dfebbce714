"""What verse by default settings breaks: a thousand texts of each form, looked at by rules typed apart from the plan.

python -m benchmarks.verse.faults mini_zh > benchmarks/records/faults.json
python -m benchmarks.verse.faults mini_zh --count 300 --forms 五排 … > benchmarks/records/faults_forms.json
"""

import argparse
import collections
import json
import re
import sys
import time

import kgpt2
from benchmarks import turns
from benchmarks.verse.forms import EIGHT, FIVE, FOUR, HAN, SEVEN, keeps_tones, repeated, rhymes
from kgpt2.verse.sounds import rhymes_of

METERS = {
    **{"五绝": (FIVE, FOUR), "七绝": (SEVEN, FOUR), "五律": (FIVE, EIGHT), "七律": (SEVEN, EIGHT)},
    "七绝首句入韵": (SEVEN, ("丁乙丙丁", "乙丁甲乙")),
    "七绝首句不入韵": (SEVEN, ("甲乙丙丁", "丙丁甲乙")),
    "五律仄起首句入韵": (FIVE, ("丁乙丙丁甲乙丙丁",)),
    "五排": (FIVE, tuple(order + order[4:] for order in EIGHT)),
    "七排10": (SEVEN, tuple(order + order[4:6] for order in EIGHT)),
}
# Couplets with given characters (嵌字).
COUPLETS = ("xx春4-xx花4", "春6-4月2", "6月-6山")
NARROW = "江佳肴覃盐咸"


def main() -> None:
    """Prints one JSON object; exit status 1 where there is a fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--forms", nargs="+", default=["五绝", "七绝", "五律", "七律"], choices=[*METERS, *COUPLETS])
    options = parser.parse_args()
    lm = kgpt2.load(options.model)
    rows = {}
    for form in options.forms:
        began = time.perf_counter()
        texts = [one.text for one in lm.generate("", form=form, num_return=options.count, seed=0)]
        found = couplets(texts, form) if form in COUPLETS else looked_at(texts, METERS[form])
        rows[form] = found | {"seconds": round(time.perf_counter() - began, 1)}
        print(form, rows[form], file=sys.stderr)
    report = {**turns.machine(), "model": options.model, "count": options.count, "forms": rows}
    print(json.dumps(report, ensure_ascii=False, indent=2))
    raise SystemExit(any(row["faults"] for row in rows.values()))


def looked_at(texts: list[str], meter: tuple) -> dict:
    """How many texts have which fault, and shares of what comes twice and of narrow rhymes."""
    faults: collections.Counter[str] = collections.Counter()
    characters = twice = narrow = 0
    for text in texts:
        lines = re.findall(f"{HAN}+", text)
        ends = [line[-1] for line in lines[1::2]]
        signs = "".join(lines)
        faults["tones"] += not keeps_tones(text, meter)
        faults["rhyme"] += not rhymes(text, meter)
        faults["a rhyme word twice"] += len({*ends}) < len(ends)
        pairs = zip(lines[::2], lines[1::2], strict=True)
        faults["same place"] += any(a == b for one, other in pairs for a, b in zip(one, other, strict=True))
        faults["repeats"] += repeated(text)
        characters += len(signs)
        twice += len(signs) - len({*signs})
        shared = frozenset.intersection(*(rhymes_of(end, 1) for end in ends))
        narrow += bool(shared) and all(name[-1] in NARROW for name in shared)
    return {
        "faults": sum(faults.values()),
        "kinds": {kind: count for kind, count in faults.items() if count},
        "repeated_characters": round(twice / characters, 4),
        "narrow_rhymes": round(narrow / len(texts), 4),
        "sample": texts[0],
    }


def couplets(texts: list[str], form: str) -> dict:
    """How many couplets have which fault."""
    shape = re.compile(re.sub(r"\d|x", lambda sign: f"{HAN}{{{sign[0].replace('x', '1')}}}", form))
    faults: collections.Counter[str] = collections.Counter()
    for text in texts:
        faults["given"] += not shape.fullmatch(text)
        faults["tones"] += not keeps_tones(text, (SEVEN, ("甲乙", "丙丁")))
        faults["repeats"] += repeated(text)
    kinds = {kind: count for kind, count in faults.items() if count}
    return {"faults": sum(faults.values()), "kinds": kinds, "sample": texts[0]}


if __name__ == "__main__":
    main()
