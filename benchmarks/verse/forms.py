"""Forms that cannot fail: thousands of generations in each of twelve forms, every one checked, and what that costs.

    python -m benchmarks.verse.forms > benchmarks/records/forms.json
    python -m benchmarks.verse.forms --vocabulary vocab.txt > benchmarks/records/forms_unknown.json

Each form is drawn at temperature 1.5 with bigrams banned, once by its shape alone and once with strict tones and
rhyme, on both runtimes, with a small model that first learns the verse that comes with kgpt2 (or --model). The
checks are typed here from the rules, not computed by the code that plans. Speed is that of the same number of tokens
without a form, in turns. With --vocabulary: couplets of a random GPT-2 of UER's shape with that vocabulary, beside
those that transformers draws as the couplet article does.
"""

import argparse
import itertools
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import kgpt2
from benchmarks import turns
from kgpt2.checkpoints.vocabulary import read_vocabulary
from kgpt2.config.settings import Settings
from kgpt2.data.example import Report
from kgpt2.data.sources import open_source
from kgpt2.generation.generate import Clock, generate
from kgpt2.verse.sounds import end_tone_of, rhymes_of, tone_of

FIVE = {"甲": "中仄平平仄", "乙": "平平仄仄平", "丙": "中平平仄仄", "丁": "中仄仄平平"}
SEVEN = {"甲": "中平中仄平平仄", "乙": "中仄平平仄仄平", "丙": "中仄中平平仄仄", "丁": "中平中仄仄平平"}
# 仄起 and 平起, the first line unrhymed and rhymed.
FOUR = ("甲乙丙丁", "丁乙丙丁", "丙丁甲乙", "乙丁甲乙")
EIGHT = ("甲乙丙丁甲乙丙丁", "丁乙丙丁甲乙丙丁", "丙丁甲乙丙丁甲乙", "乙丁甲乙丙丁甲乙")
HAN = "[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]"
JIANGNAN = ("平中仄，中仄仄平平。中仄中平平仄仄，中平中仄仄平平。中仄仄平平。", (8, 24, 30))
RUMENG = ("中仄中平平仄，中仄中平平仄。中仄仄平平，中仄中平平仄。平仄，平仄，中仄中平平仄。", (5, 12, 25, 28, 31, 38))
# Settings of the free and of the strict draw, the shape, the tones of which one must fit, and the rhyming places.
FORMS = {
    "五绝": ({"form": "五绝"}, "", "5，5。5，5。", (FIVE, FOUR)),
    "七绝": ({"form": "七绝"}, "春风", "7，7。7，7。", (SEVEN, FOUR)),
    "五律": ({"form": "五律"}, "", "5，5。5，5。5，5。5，5。", (FIVE, EIGHT)),
    "七律": ({"form": "七律"}, "", "7，7。7，7。7，7。7，7。", (SEVEN, EIGHT)),
    "五绝, a first line": ({"form": "五绝"}, "白日依山尽，", "5，5。5，5。", (FIVE, FOUR)),
    "acrostic": ({"acrostic": "春夏秋冬"}, "", "7，7。7，7。", (SEVEN, FOUR)),
    "对联": ({"form": "对联"}, "", "7-7", (SEVEN, ("甲乙", "丙丁"))),
    "对联, a first side": ({"form": "对联"}, "春满神州花似锦-", "7-7", (SEVEN, ("丙丁",))),
    "5-5": ({"form": "5-5"}, "", "5-5", (FIVE, ("甲乙", "丙丁"))),
    "4，7-4，7": ({"form": "4，7-4，7"}, "", "4，7-4，7", None),
    "忆江南": ({"form": "pxz，xzzpR。xzxppzz，xpxzzpR。xzzpR。"}, "", "3，5。7，7。5。", JIANGNAN),
    "如梦令": ({"form": "xzxppr，xzxppr。xzzpp，xzxppr。pr，pr，xzxppr。"}, "", "6，6。5，6。2，2，6。", RUMENG),
}
DRAWN = {"temperature": 1.5, "no_repeat_ngram": 2, "sampler": "top_p", "p": 0.95, "k": 0}
RUNTIMES = ("openvino", "keras")
ARTICLE = {"do_sample": True, "top_k": 50, "top_p": 0.95, "max_length": 25}


def main() -> None:
    """Prints one JSON object; exit status 1 where a text is not what its form says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="any Chinese MODEL with a context of 80 or more")
    parser.add_argument("--steps", type=int, default=300, help="of training, where no model is given")
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--runtimes", default=",".join(RUNTIMES))
    parser.add_argument("--rounds", type=int, default=5, help="of the comparison of speed; 0: none")
    parser.add_argument("--vocabulary", type=Path, metavar="VOCAB.TXT")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.vocabulary:
            report = unknown_tokens(Path(folder), options.vocabulary, options.count)
        else:
            model = options.model or train(Path(folder) / "run", options.steps)
            report = {"count": options.count, "validity": {}, "speed": {}}
            for runtime in options.runtimes.split(","):
                lm = kgpt2.load(model, runtime=runtime)
                report["validity"][runtime] = {name: check(lm, name, options.count) for name in FORMS}
                if options.rounds:
                    timed = ("五绝", "七绝", "七律", "对联")
                    report["speed"][runtime] = {
                        f"{name}, {rows} at a time": cost(lm, name, options.rounds, rows)
                        for name in timed
                        for rows in (1, 32)
                    }
    print(json.dumps({**turns.machine(), **report}, ensure_ascii=False, indent=2))
    checked = [row for rows in report.get("validity", {}).values() for row in rows.values()]
    raise SystemExit(any(row["faults"] for row in [*checked, report] if "faults" in row))


def train(out: Path, steps: int) -> str:
    """A model of four layers that has read Tang poems and couplets."""
    samples = (open_source(f"samples/{name}") for name in ("tang", "couplets"))
    lines = [example.text.replace("\n", "") for source in samples for example in source.read(Report())]
    out.with_suffix(".txt").write_text("\n".join(lines) + "\n", "utf-8")
    config = out.with_suffix(".yaml")
    config.write_text(
        "model: {from_scratch: {layers: 4, heads: 4, width: 256}, sequence_length: 96}\n"
        f"data: {{source: {out.with_suffix('.txt')}}}\n"
        f"train: {{steps: {steps}, batch_size: 16, learning_rate: 1.0e-3, validate_every: {steps}}}\n",
        "utf-8",
    )
    command = [sys.executable, "-m", "kgpt2", "fit", str(config), "--out", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return str(out)


def check(lm, name: str, count: int) -> dict:
    """Draws a form freely and strictly; counts what is not as it should be."""
    settings, prompt, shape, meter = FORMS[name]
    rhyming = "R" in settings.get("form", "") or "r" in settings.get("form", "")
    free = {"rhyme": "pingshui"} if rhyming else {}
    couplet = "-" in shape
    strict = (
        {"rhyme": "pingshui"}
        if rhyming
        else {"tones": "strict"}
        if couplet
        else {"tones": "strict", "rhyme": "pingshui"}
    )
    pattern = re.compile(re.sub(r"\d", lambda match: f"{HAN}{{{match.group()}}}", shape))
    faults, texts = [], []
    for number, extra in enumerate((free, strict)):
        for one in lm.generate(prompt, num_return=count, seed=number, **DRAWN, **settings, **extra):
            texts.append(one.text)
            reasons = [] if pattern.fullmatch(one.text) else ["shape"]
            if not reasons and (number or rhyming) and not keeps_tones(one.text, meter):
                reasons.append("tones")
            if not reasons and (number or rhyming) and not couplet and not rhymes(one.text, meter):
                reasons.append("rhyme")
            if repeated(one.text):
                reasons.append("repeats")
            if name == "acrostic" and [line[0] for line in re.split("[，。]", one.text) if line] != list("春夏秋冬"):
                reasons.append("acrostic")
            if one.finish_reason != "stop" or not one.text.startswith(prompt):
                reasons.append("end")
            faults += [(one.text, reason) for reason in reasons]
    print(f"{name}: {len(texts)} texts, {len(faults)} faults", file=sys.stderr)
    found = {"texts": len(texts), "different": len(set(texts)), "faults": len(faults), "sample": texts[-1]}
    return found | ({"first_faults": faults[:5]} if faults else {})


def repeated(text: str) -> bool:
    """Whether a character comes twice, but for doubled ones."""
    signs = re.findall(HAN, text)
    return any(signs.count(sign) > 1 + (signs[signs.index(sign) + 1 :][:1] == [sign]) for sign in signs)


def keeps_tones(text: str, meter: tuple | None) -> bool:
    """Whether the characters have the tones of one of the patterns."""
    signs = [sign for sign in text if re.fullmatch(HAN, sign)]
    if meter is None:  # each side's last character, and the even places of opposite clauses
        one, other = (re.findall(HAN, side) for side in text.split("-"))
        places = (1, 3, 5, 7, 9, 10)
        opposed = all(tone_of(one[place]) | tone_of(other[place]) == 3 for place in places)
        return opposed and bool(tone_of(one[-1]) & 2) and bool(tone_of(other[-1]) & 1)
    if isinstance(meter[0], str):
        patterns = [meter[0].replace("，", "").replace("。", "")]
    else:
        patterns = ["".join(meter[0][kind] for kind in order) for order in meter[1]]
    flags = {"平": 1, "仄": 2, "中": 3}
    ends = [not re.match(HAN, text[place + 1 : place + 2]) for place, sign in enumerate(text) if re.match(HAN, sign)]
    known = [(end_tone_of if end else tone_of)(sign) or 3 for sign, end in zip(signs, ends, strict=True)]
    return any(all(tone & flags[wanted] for tone, wanted in zip(known, pattern, strict=True)) for pattern in patterns)


def rhymes(text: str, meter: tuple) -> bool:
    """Whether the ends that must rhyme share one."""
    if isinstance(meter[0], str):
        ends = [text[place] for place in meter[1]]
        tone = 1 if meter is JIANGNAN else 2
    else:
        ends, tone = re.findall(f"({HAN})。", text), 1
    return bool(frozenset.intersection(*(rhymes_of(end, tone) for end in ends)))


def cost(lm, name: str, rounds: int, rows: int) -> dict:
    """Tokens a second with a form and strict rules, the same with a step for each token, and of as many without."""
    settings, prompt, shape, _ = FORMS[name]
    strict = {"tones": "strict"} | ({} if "-" in shape else {"rhyme": "pingshui"})
    tokens = lm.generate(prompt, seed=0, **settings)[0].new_tokens
    ways = {
        "form": {**settings, **strict},
        "a token a step": {**settings, **strict},
        "free": {"max_new_tokens": tokens, "min_new_tokens": tokens},
    }
    rates = {way: [] for way in ways}
    for turn in range(rounds + 1):  # the first compiles, and does not count
        for way, how in ways.items():
            clock = Clock()
            began = time.perf_counter()
            asked = Settings(num_return=4 * rows, batch_size=rows, seed=turn, **DRAWN, **how)
            decoder = lm.decoder(asked)
            if way == "a token a step":
                decoder.known = lambda rows: np.empty((len(rows), 0), np.int32)
            list(generate(decoder, lm.prepare([prompt], asked), clock))
            if turn:
                rates[way].append(clock.new_tokens / (time.perf_counter() - began))
    medians = {way: round(statistics.median(values), 1) for way, values in rates.items()}
    for way in ("free", "a token a step"):
        ratios = [form / other for form, other in zip(rates["form"], rates[way], strict=True)]
        medians[f"ratio to {way}"] = round(statistics.median(ratios), 3)
    return medians


def unknown_tokens(root: Path, vocabulary: Path, count: int) -> dict:
    """Couplets of a random GPT-2 of UER's shape: kgpt2's form, and the article's own way."""
    import torch
    from transformers import BertTokenizer, GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    network = GPT2LMHeadModel(GPT2Config(vocab_size=len(read_vocabulary(vocabulary)))).eval()
    network.save_pretrained(root / "model")
    shutil.copyfile(vocabulary, root / "model" / "vocab.txt")
    (root / "model" / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    lm = kgpt2.load(root / "model")
    pattern = re.compile(f"{HAN}{{7}}-{HAN}{{7}}")
    texts = [one.text for one in lm.generate("", num_return=count, seed=0, form="对联", **DRAWN)]
    ours = {"couplets": len(texts), "well_formed": sum(bool(pattern.fullmatch(text)) for text in texts)}
    ours["special_tokens"] = sum("[" in text or "##" in text for text in texts)
    tokenizer = BertTokenizer(str(root / "model" / "vocab.txt"))
    prompt = torch.tensor([tokenizer.encode("春满神州花似锦-", add_special_tokens=False)])
    theirs = {"couplets": count, "well_formed": 0, "special_tokens": 0}
    for size in itertools.repeat(50, count // 50):
        drawn = network.generate(prompt.expand(size, -1), pad_token_id=0, **ARTICLE)
        for row in tokenizer.batch_decode(drawn):
            text = row.replace(" ", "")
            theirs["special_tokens"] += any(piece in text for piece in ("[UNK]", "[unused", "##", "[PAD]", "[MASK]"))
            theirs["well_formed"] += bool(pattern.fullmatch(text.split("[SEP]")[0]))
    return {"form": ours, "article": theirs, "faults": count - ours["well_formed"]}


if __name__ == "__main__":
    main()
