"""What a thousand ci of twenty tunes break, looked at by the letters of their patterns, apart from the plan.

python -m benchmarks.verse.tune_faults mini_zh > benchmarks/records/tune_faults.json
"""

import argparse
import json
import re

import kgpt2
from benchmarks import turns
from kgpt2.verse.sounds import families, rhymes_of, tone_of
from kgpt2.verse.tunes import tune_pattern

TUNES = [
    "浣溪沙",
    "鹧鸪天",
    "菩萨蛮",
    "西江月",
    "临江仙",
    "蝶恋花",
    "减字木兰花",
    "点绛唇",
    "清平乐",
    "玉楼春",
    "虞美人",
    "好事近",
    "渔家傲",
    "卜算子",
    "谒金门",
    "踏莎行",
    "如梦令",
    "忆江南",
    "生查子",
    "忆秦娥",
]
TONES = {"p": 1, "R": 1, "z": 2, "r": 2, "x": 3}


def main() -> None:
    """Prints one JSON object; exit status 1 where there is a fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--count", type=int, default=50, help="Of each tune.")
    options = parser.parse_args()
    lm = kgpt2.load(options.model)
    faults = {}
    for name in TUNES:
        texts = [one.text for one in lm.generate("", form=name, num_return=options.count, seed=0)]
        faults[name] = sum(not keeps(text, tune_pattern(name)) for text in texts)
    report = {**turns.machine(), "model": options.model, "count": options.count * len(TUNES), "faults": faults}
    print(json.dumps(report, ensure_ascii=False, indent=1))
    raise SystemExit(any(faults.values()))


def keeps(text: str, pattern: str) -> bool:
    """Whether a ci has the marks, tones, rhymes and repeats of a pattern."""
    places = re.findall(r"([xpzRr，。=])(\d*)", pattern)
    if len(places) != len(text):
        return False
    shared: dict[str, set[str]] = {}
    written = ""
    for sign, (kind, number) in zip(text, places, strict=True):
        written += "" if kind in "，。" else sign
        if kind in "，。":
            if sign != kind:
                return False
        elif kind == "=":
            if sign != written[-1 - int(number)]:
                return False
        elif kind in "Rr":
            names = rhymes_of(sign, TONES[kind], "cilin")
            own = {part for name in names for part in families(name, "cilin")}
            shared[number] = shared.get(number, own) & own
        elif kind != "x" and not tone_of(sign) & TONES[kind]:
            return False
    return all(shared.values())


if __name__ == "__main__":
    main()
