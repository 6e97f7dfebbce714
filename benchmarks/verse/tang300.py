"""Which of the 300 Tang poems `kgpt2 verse check` calls regulated, of those that are and of those that are not.

    npm pack chinese-poetry@2.0.1 && tar xzf chinese-poetry-2.0.1.tgz
    python -m benchmarks.verse.tang300 package > benchmarks/records/tang300.json

Read are all poems of 唐诗三百首.json with the lines of a 绝句 or 律诗, 乐府 and old-style ones too, each text once.
Which are old-style or break a rule of tones, `tang300.tsv` says by their first lines, each with what a reader can
verify: an oblique rhyme, the chapter that the book puts them in, or the characters that fail. All others are regulated.

Counted too is, in all Tang poems of eight lines of five that have no fault behind the first, how often that line rhymes
as a regulated one does, and how often as 仄仄平仄平 (八月湖水平).
"""

import argparse
import collections
import json
import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks import turns
from kgpt2.data.example import Report
from kgpt2.data.poetry.cleaning import clean
from kgpt2.data.poetry.collection import read_poems
from kgpt2.verse.check import check
from kgpt2.verse.checked import Checked
from kgpt2.verse.han import HAN
from kgpt2.verse.script import convert_script
from kgpt2.verse.sounds import LEVEL, OBLIQUE, end_tone_of, tone_of

FORMS = ("五绝", "七绝", "五律", "七律")
OLD_STYLE = Path(__file__).with_suffix(".tsv")


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path)
    package = parser.parse_args().package
    checked = [one for text in texts(package) if (one := check(text)).form in FORMS]
    rows = (line.split("\t") for line in OLD_STYLE.read_text("utf-8").splitlines())
    old_style = dict(rows)
    if unknown := old_style.keys() - {opening(one) for one in checked}:
        raise SystemExit(f"{OLD_STYLE}: no poem begins with {'、'.join(sorted(unknown))}")
    report = counts(checked, old_style) | {"first lines": first_lines(package)}
    print(json.dumps({**turns.machine(), **report}, ensure_ascii=False, indent=2))


def texts(package: Path) -> Iterator[str]:
    """The poems, simplified, without notes, each once."""
    (path,) = package.rglob("唐诗三百首.json")
    poems = json.loads(path.read_text("utf-8"))
    cleaned = [clean(poem["paragraphs"])[0] for poem in poems]
    yield from dict.fromkeys(convert_script(cleaned, "simplified"))


def first_lines(package: Path) -> dict[str, int]:
    """How the first lines rhyme of 五律 whose other lines are without fault."""
    found: collections.Counter[str] = collections.Counter()
    for poem in read_poems(package, "tang", "simplified", Report()):
        one = check(poem.text) if poem.form == "五律" else None
        if one and all(fault.line == 1 or fault.kind in ("重韵", "同位重字") for fault in one.faults):
            first = [end_tone_of(sign) if place == 4 else tone_of(sign) for place, sign in enumerate(one.lines[0].text)]
            found["regulated"] += one.regulated and one.lines[0].type in "乙丁"
            found["仄仄平仄平"] += first[1:] == [OBLIQUE, LEVEL, OBLIQUE, LEVEL]
    return dict(found)


def opening(one: Checked) -> str:
    """The first line of a poem."""
    return re.findall(f"[{HAN}]+", one.text)[0]


def counts(checked: list[Checked], old_style: dict[str, str]) -> dict:
    """How many of each kind are accepted, and by their faults those that are not what they should be."""
    kinds = {"regulated": [], "not regulated": []}
    for one in checked:
        kinds["not regulated" if opening(one) in old_style else "regulated"].append(one)
    report: dict = {"poems": len(checked)}
    for kind, poems in kinds.items():
        forms = collections.Counter(one.form for one in poems)
        accepted = collections.Counter(one.form for one in poems if one.regulated)
        report[kind] = {
            "poems": len(poems),
            "accepted": accepted.total(),
            "share": round(accepted.total() / len(poems), 4),
            **{form: f"{accepted[form]} of {forms[form]}" for form in FORMS if forms[form]},
        }
    regulated, others = kinds.values()
    report["regulated, refused"] = {
        opening(one): "、".join(f"{fault.kind} {fault.line}" for fault in one.faults)
        for one in regulated
        if not one.regulated
    }
    report["not regulated, accepted"] = [opening(one) for one in others if one.regulated]
    return report


if __name__ == "__main__":
    main()
