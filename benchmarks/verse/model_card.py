"""The record of the packaged model, of what its run wrote and what was measured of it.

    python -m benchmarks.verse.model_card runs/mini_zh_last kgpt2/assets/mini_zh > docs/mini_zh.md

The figures of the section on held-out texts are those of benchmarks/verse/mini_zh.py; the curves are the run's own,
copied to docs/mini_zh.png.
"""

import argparse
import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.filesize import decimal

from kgpt2.checkpoints.names import read_model

ROOT = Path(__file__).parents[2]
CURVES = ROOT / "docs/mini_zh.png"
BITS = "bits_per_character"  # how the keys of a table begin
BLIND = ROOT / "docs/blind/score.json"
SOURCES = {
    "first": "the first edition",
    "second": "this one",
    "best_of_16": "this one, the best of 16",
    "reference": "the poets",
}
POINTS = 12  # rows of the table of losses
PAGE = """# mini_zh

The model that comes with kgpt2: a GPT-2 of {layers} layers, {heads} heads and width {width} that
writes classical Chinese verse, with {parameters:,} parameters over {tokens:,} tokens (single
characters, simplified; traditional ones in a prompt are understood) and a context of {context}.
`kgpt2 generate` uses it where no `--model` is named; as `mini_zh` it is a MODEL like any other, to
evaluate, to convert, to fine-tune (`model.preset: mini_zh`).

This page is made by `python -m benchmarks.verse.model_card`; what the model writes is in
[gallery.md](gallery.md).

## Data and licence

[chinese-poetry](https://github.com/chinese-poetry/chinese-poetry) 2.0.1 as published on npm, MIT
licence, © 2016 JackeyGao; the texts are in the public domain. {examples}: poems of Tang and Song,
ci, and the parallel couplets within regulated verse, cleaned as [data.md](data.md) tells, each
behind the mark of its genre (`[七绝]`, `[词]`, `[对联]`, ...), one in five without. `--form` puts the
mark there. The weights are under kgpt2's own licence.

They lie in `kgpt2/assets/mini_zh`, matrices as int8 with a scale for each row ({bytes}); kgpt2
computes and trains with them in float32. transformers reads what `kgpt2 convert mini_zh FOLDER --to
transformers` writes.

## Training

In two parts. First `kgpt2 fit configs/mini_zh.yaml` on one {device}, Keras on {first_backend},
{first_dtype}: {first_steps:,} updates of {first_positions:,} positions, {first_read:,} tokens read
in {first_seconds:.0f} s, {first_rate:,.0f} tokens/s, the batches in five widths, multiples of
eight. The texts were read ten times, and from update {kept:,} on the held-out loss rose again: that
update was kept.

| update | training loss | held-out loss | held-out perplexity |
|---|---|---|---|
{first_losses}

Then {steps:,} updates of 4,096 positions with dropout 0.1 and a rate falling to 0, on {machine}:
{read:,} tokens read, {hours:.1f} hours beside other work, {rate:,.0f} tokens/s, Keras on {backend},
{dtype}.

| update | training loss | held-out loss | held-out perplexity |
|---|---|---|---|
{losses}

Losses in nats per token, titles and keywords among what is read, held-out texts never seen in
training; a poem and its couplets are held out together.

![training and held-out loss of the second part](mini_zh.png)

## Held-out texts

{texts:,} texts, scored by `benchmarks/verse/mini_zh.py` behind their genre's mark or none, without
title and keywords; bits per character, end tokens included, lower is better. The 5-grams
(interpolated, modified Kneser-Ney) learned from the same {learned:,} texts. The first edition, 4
layers of width 256 that had read 0.62 times through the texts, had {former:.3f}.

| texts | mini_zh | 5-grams |
|---|---|---|
{bits}

Of the runs of eight signs in {written:,} texts that it wrote (an empty prompt, top_p), {copied:.1%}
stand in a text that it learned from; of those in the held-out texts, by people who had read each
other, {quoted:.1%} do.

The first edition was trained beside a plain PyTorch and transformers loop of the same size,
updates, batches and schedule, which came to **{theirs:.3f}** bits per character; kgpt2's had
**{former:.3f}**. It is one run of each. (The loop was given Keras' arithmetic of AdamW, which adds
its epsilon, 1e-7, before the bias correction; PyTorch adds 1e-8 after it.)

After {peer_steps:,} updates of the first edition, the schedule shortened: what first weights,
epsilon and library are worth.

| trained by | bits per character |
|---|---|
{peers}

## Read blind

32 first lines of quatrains by lesser-known poets of Song were continued as 七绝 (seed 1) by the
first edition, by this one, and by this one with `--best-of 16`; the poets' own are the reference.
One reader, itself a language model, rated the shuffled sheet without its key; the eleven texts whose
source had been seen stay unrated. [sheet.csv](blind/sheet.csv) and
[sheet.key.json](blind/sheet.key.json) are the sheet and its key, scored by
`kgpt2 evaluate --score docs/blind/sheet.csv`; 1 is worst, 5 best.

| | fluency | coherence | overall, and its 95% interval | texts |
|---|---|---|---|---|
{blind}

After the same line this edition was rated above the first {second_better} times and below it
{second_worse} times (sign test, p = {second_p:.1g}); the best of 16 above one text
{best_better} times and below it {best_worse} times (p = {best_p:.1g}).

## Keywords

Of {pairs} pairs of common words drawn at random, so many texts hold both:

| `--keywords A,B` and | both | one or both |
|---|---|---|
{keywords}

## Limits

It is small, and writes as one who has read much verse and lived little: lines are well made, images
belong together more often than not, the whole seldom says something new. It has read verse alone,
before 1300 almost all of it, so modern words, prose and questions are strange to it, and a
character that is rare there is unknown. Tones and rhymes come from `--form` with `--tones` and
`--rhyme`, not from what it has learned.
"""


def main() -> None:
    """Prints Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="what kgpt2 fit wrote last")
    parser.add_argument("model", type=Path, help="the folder that ships")
    options = parser.parse_args()
    run, model = options.run, options.model
    summary = json.loads((run / "summary.json").read_text("utf-8"))
    measured, first, beside, peers, keywords = (
        json.loads((ROOT / f"benchmarks/records/{name}.json").read_text("utf-8"))
        for name in ("mini_zh", "mini_zh_h200", "mini_zh_beside", "mini_zh_peers", "keywords")
    )
    former, theirs = beside[BITS].values()
    shape = read_model(str(model)).shape
    shutil.copyfile(run / "curves.png", CURVES)
    page = PAGE.format(
        layers=shape.num_layers,
        heads=shape.num_heads,
        width=shape.hidden_dim,
        parameters=shape.parameters,
        tokens=shape.vocabulary_size,
        context=shape.max_sequence_length,
        examples=f"{measured['learned']:,} texts to learn from and {measured['texts']:,} held out",
        bytes=decimal(sum(file.stat().st_size for file in model.iterdir())),
        machine=measured["machine"],
        device=first["device"],
        first_backend=first["backend"],
        first_dtype=first["dtype"],
        first_steps=first["steps"],
        first_positions=first["batch_tokens"],
        first_read=first["tokens"],
        first_seconds=first["seconds"],
        first_rate=first["tokens_per_second"],
        first_losses="\n".join(rows_of(first["curve"])),
        kept=first["kept_step"],
        steps=summary["steps"],
        read=summary["tokens"],
        hours=summary["seconds"] / 3600,
        rate=summary["tokens_per_second"],
        backend=summary["backend"],
        dtype=summary["dtype"],
        losses="\n".join(losses(run / "metrics.csv")),
        texts=measured["texts"],
        learned=measured["learned"],
        bits="\n".join(bits(measured)),
        written=measured["written"],
        copied=measured["copied"]["model"],
        quoted=measured["copied"]["held out"],
        former=former,
        theirs=theirs,
        peer_steps=peers["steps"],
        peers="\n".join(f"| {name} | {value:.3f} |" for name, value in peers["bits_per_character"].items()),
        pairs=keywords["pairs"],
        keywords="\n".join(
            f"| {name} | {way['both']:.0%} | {way['one or both']:.0%} |" for name, way in keywords["ways"].items()
        ),
        **read_blind(json.loads(BLIND.read_text("utf-8"))["criteria"]),
    )
    print(page, end="")


def read_blind(criteria: Mapping) -> dict:
    """What the sheet says, for the page."""
    rows = []
    for source, name in SOURCES.items():
        fluency, coherence, overall = (criteria[key]["sources"][source] for key in ("fluency", "coherence", "overall"))
        interval = f"{overall['mean']:.2f} ({overall['low']:.2f} to {overall['high']:.2f})"
        rows.append(f"| {name} | {fluency['mean']:.2f} | {coherence['mean']:.2f} | {interval} | {overall['texts']} |")
    pairs = {tuple(pair["sources"]): pair for pair in criteria["overall"]["pairs"]}
    edition, best = pairs["first", "second"], pairs["best_of_16", "second"]
    return {
        "blind": "\n".join(rows),
        "second_better": edition["worse"],
        "second_worse": edition["better"],
        "second_p": edition["p"],
        "best_better": best["better"],
        "best_worse": best["worse"],
        "best_p": best["p"],
    }


def losses(path: Path) -> list[str]:
    """Rows of the table, evenly drawn, the last among them."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return rows_of(rows[::-1][:: max(1, len(rows) // POINTS)][::-1])


def rows_of(rows: Sequence[Mapping]) -> list[str]:
    """Rows of a table of losses."""
    return [
        f"| {int(row['step']):,} | {float(row['loss']):.3f} | {float(row['val_loss']):.3f} "
        f"| {float(row['val_perplexity']):.1f} |"
        for row in rows
    ]


def bits(measured: dict) -> list[str]:
    """Rows of the table: all texts, then kinds of them."""
    found = {key: values for key, values in measured.items() if key.startswith(BITS)}
    return [
        f"| {name.removeprefix(BITS).strip('_') or 'all'} | {' | '.join(f'{value:.3f}' for value in values.values())} |"
        for name, values in found.items()
    ]


if __name__ == "__main__":
    main()
