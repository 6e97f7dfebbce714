"""The gallery: what the packaged model writes with the seeds 0 to 39, nothing chosen and nothing left out.

    python -m benchmarks.verse.gallery FOLDER MODEL > docs/gallery.md

FOLDER is chinese-poetry, as configs/mini_zh.yaml reads it, where copies are looked for.
"""

import argparse
import datetime
import re
from collections.abc import Callable

import kgpt2
from benchmarks.verse.merit import figures, scored_text
from benchmarks.verse.mini_zh import CONFIG, flat
from kgpt2.config.recipes import load_config
from kgpt2.evaluation.text_metrics import COPIED, copy_rate
from kgpt2.training.prepare import prepare
from kgpt2.verse.measures import Count, characters_repeated, parallels_kept, rhymes_kept, tones_kept

SEEDS = range(40)
POEMS = {"form": "七绝", "tones": "strict", "rhyme": "pingshui"}
BEST_OF = 16
COUPLETS = {"form": "对联", "tones": "strict"}
# Drawn by the mark of the genre alone: what the model has learned of the form.
UNBOUND = "[七绝]"
OF_FORM = {"七绝": re.compile(r"(\w{7}，\w{7}。){2}"), "对联": re.compile(r"\w{7}-\w{7}")}
HEAD = "| 40 texts | nats a character | repeated | parallels |\n|---|---|---|---|"
MEASURES: dict[str, Callable[[str], Count]] = {
    "tones": tones_kept,
    "rhyme": rhymes_kept,
    "parallels": parallels_kept,
    "repeated": characters_repeated,
}
INTRODUCTION = f"""# Gallery

Written by `mini_zh`, the model that comes with kgpt2, with the seeds 0 to {SEEDS[-1]}: none was chosen, none left
out, and nobody gave it a word to begin with. Made by `python -m benchmarks.verse.gallery` on {{date}}; top_p with
p 0.95 within 50 tokens, as `kgpt2 generate` does unless told otherwise.

Tones: even places and line ends that have the tone of the pattern. Rhyme: pairs of rhyming ends that share a rhyme of
the pingshui system. Parallels: places of a couplet at which two words of one class meet (in real verse 37 to 40 %, in
the same shuffled 7 to 9 %; `benchmarks/verse/verse_measures.py`). Repeated: characters that the text had before.
"""


def main() -> None:
    """Prints Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("model")
    options = parser.parse_args()
    lm = kgpt2.load(options.model)
    poems, couplets = ([written(lm, "", seed, **how) for seed in SEEDS] for how in (POEMS, COUPLETS))
    best, best_couplets = (
        [written(lm, "", seed, best_of=BEST_OF, **how) for seed in SEEDS] for how in (POEMS, COUPLETS)
    )
    unbound = [written(lm, UNBOUND, seed).removeprefix(UNBOUND) for seed in SEEDS]
    plan = prepare(load_config(CONFIG, [f"data.path={options.folder}"]))
    learned = list(flat(plan.train.rows, plan.tokenizer).texts(plan.tokenizer.vocabulary))
    print(INTRODUCTION.format(date=datetime.date.today()))
    print(f"`kgpt2 generate --form 七绝 --tones strict --rhyme pingshui --seed SEED`\n\n{table(poems)}\n")
    print(f"`kgpt2 generate --form 对联 --tones strict --seed SEED`\n\n{table(couplets)}\n")
    print(f"## The best of {BEST_OF}\n\nThe same 七绝 with `--best-of {BEST_OF}`, the same seeds.\n\n{table(best)}\n")
    held_out = list(flat(plan.validation.rows, plan.tokenizer).texts(plan.tokenizer.vocabulary))
    print(HEAD)
    for form, one, many in (("七绝", poems, best), ("对联", couplets, best_couplets)):
        real = [text for text in held_out if OF_FORM[form].fullmatch(text)][: len(SEEDS)]
        for name, texts in (("one", one), (f"the best of {BEST_OF}", many), ("by poets, held out", real)):
            print(compared(lm, f"{form}, {name}", form, texts))
    print()
    print(f"## Without a form\n\n`kgpt2 generate {UNBOUND} --seed SEED`: the mark of the genre, and no mask.\n")
    print(f"{table(unbound)}\n\n## Copies\n")
    print(f"Of the runs of {COPIED} characters in these texts, so many stand in a text that the model learned from:")
    for name, texts in (("poems", poems), ("the best", best), ("couplets", couplets), ("without a form", unbound)):
        print(f"{name} {copy_rate(texts, learned):.1%}{'.' if texts is unbound else ','}")


def written(lm, prompt: str, seed: int, **settings) -> str:
    """One text."""
    (one,) = lm.generate(prompt, seed=seed, **settings)
    return one.text


def table(texts: list[str]) -> str:
    """A row for each text and one for all of them."""
    rows = [f"| seed | text | {' | '.join(MEASURES)} |", f"|---|---|{'---|' * len(MEASURES)}"]
    counts = [[measure(text) for measure in MEASURES.values()] for text in texts]
    for seed, text, measured in zip(SEEDS, texts, counts, strict=True):
        rows.append(f"| {seed} | {text} | {' | '.join(map(shown, measured))} |")
    totals = [tuple(map(sum, zip(*column, strict=True))) for column in zip(*counts, strict=True)]
    rows.append(f"| all | | {' | '.join(map(shown, totals))} |")
    return "\n".join(rows)


def compared(lm, name: str, form: str, texts: list[str]) -> str:
    """A row with means over texts."""
    found = figures([scored_text(lm, text, form) for text in texts])
    parallels = tuple(map(sum, zip(*map(parallels_kept, texts), strict=True)))
    return f"| {name} | {-found['log_probability']:.2f} | {found['repeated']:.1%} | {shown(parallels)} |"


def shown(count: Count) -> str:
    """A share, or nothing where there is no place to tell by."""
    return f"{count[0] / count[1]:.0%}" if count[1] else "-"


if __name__ == "__main__":
    main()
