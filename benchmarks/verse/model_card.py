"""The record of the packaged model, of what its run wrote and what was measured of it.

    python -m benchmarks.verse.model_card runs/mini_zh kgpt2/assets/mini_zh > docs/mini_zh.md

The figures of the section on held-out texts are those of benchmarks/verse/mini_zh.py; the curves are the run's own,
copied to docs/mini_zh.png.
"""

import argparse
import csv
import json
import shutil
from pathlib import Path

import yaml
from rich.filesize import decimal

from kgpt2.checkpoints.names import read_model

ROOT = Path(__file__).parents[2]
CURVES = ROOT / "docs/mini_zh.png"
BITS = "bits_per_character"  # how the keys of a table begin
POINTS = 12  # rows of the table of losses
PAGE = """# mini_zh

The model that comes with kgpt2: a GPT-2 of {layers} layers, {heads} heads and width {width} that writes classical
Chinese verse, with {parameters:,} parameters over {tokens:,} tokens (single characters, simplified; traditional ones
in a prompt are understood) and a context of {context}. `kgpt2 generate` uses it where no `--model` is named; as
`mini_zh` it is a MODEL like any other, to evaluate, to convert, to fine-tune (`model.preset: mini_zh`).

This page is made by `python -m benchmarks.verse.model_card`; what the model writes is in [gallery.md](gallery.md).

## Data and licence

[chinese-poetry](https://github.com/chinese-poetry/chinese-poetry) 2.0.1 as published on npm, MIT licence,
© 2016 JackeyGao; the texts are in the public domain. {examples}:
poems of Tang and Song, ci, and the parallel couplets within regulated verse, cleaned as [data.md](data.md) tells, each
behind the mark of its genre (`[七绝]`, `[词]`, `[对联]`, ...), one in five without. `--form` puts the mark there. The
weights are under kgpt2's own licence.

They are a Hugging Face folder, `kgpt2/assets/mini_zh`, in float16 ({bytes}); kgpt2 computes and trains with them in
float32.

## Training

`kgpt2 fit configs/mini_zh.yaml`, on {machine}:

```yaml
{config}
```

{steps:,} updates, {read:,} tokens read, {hours:.1f} hours, {rate:,.0f} tokens/s, Keras on {backend}, {dtype}.

| update | training loss | held-out loss | held-out perplexity |
|---|---|---|---|
{losses}

Losses in nats per token, held-out texts never seen in training; a poem and its couplets are held out together.

![training and held-out loss](mini_zh.png)

## Held-out texts

{texts:,} texts, scored by `benchmarks/verse/mini_zh.py`; bits per character, end tokens included, lower is better. The
5-grams (interpolated, modified Kneser-Ney) learned from the same {learned:,} texts.

| texts | mini_zh | 5-grams |
|---|---|---|
{bits}

Of the runs of eight signs in {written:,} texts that it wrote (an empty prompt, top_p), {copied:.1%} stand in a text
that it learned from; of those in the held-out texts, by people who had read each other, {quoted:.1%} do.

A plain PyTorch and transformers loop that trains the same size from random weights of its own, with the same
{steps:,} updates over the same batches in the same schedule, comes to **{theirs:.3f}** bits per character; mini_zh has
**{ours:.3f}**. It is one run of each: how far apart two seeds are after so many updates is not measured. (The loop was
given Keras' arithmetic of AdamW, which adds its epsilon, 1e-7, before the bias correction; PyTorch adds 1e-8 after it.)

After {peer_steps:,} updates, the schedule shortened: what the first weights, the epsilon and the library are worth.

| trained by | bits per character |
|---|---|
{peers}

## Limits

It knows the words of verse and how they follow one another, not what they mean: lines are mostly well made, the whole
seldom says something. It has read verse alone, before 1300 almost all of it, so modern words, prose and questions are
strange to it, and a character that is rare there is unknown. Tones and rhymes come from `--form` with `--tones` and
`--rhyme`, not from what it has learned.
"""


def main() -> None:
    """Prints Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="what kgpt2 fit wrote")
    parser.add_argument("model", type=Path, help="the folder that ships")
    options = parser.parse_args()
    run, model = options.run, options.model
    summary = json.loads((run / "summary.json").read_text("utf-8"))
    config = yaml.safe_load((run / "config.yaml").read_text("utf-8"))
    measured, beside, peers = (
        json.loads((ROOT / f"benchmarks/records/{name}.json").read_text("utf-8"))
        for name in ("mini_zh", "mini_zh_beside", "mini_zh_peers")
    )
    if beside["steps"] != summary["steps"]:
        raise SystemExit(f"{run}: {summary['steps']} updates, the model beside it had {beside['steps']}")
    ours, theirs = beside[BITS].values()
    shape = read_model(str(model)).shape
    config["data"]["path"] = None
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
        config=yaml.safe_dump(config, allow_unicode=True, sort_keys=False, default_flow_style=None).strip(),
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
        ours=ours,
        theirs=theirs,
        peer_steps=peers["steps"],
        peers="\n".join(f"| {name} | {value:.3f} |" for name, value in peers["bits_per_character"].items()),
    )
    print(page, end="")


def losses(path: Path) -> list[str]:
    """Rows of the table, evenly drawn, the last among them."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    step = max(1, len(rows) // POINTS)
    return [
        f"| {int(row['step']):,} | {float(row['loss']):.3f} | {float(row['val_loss']):.3f} "
        f"| {float(row['val_perplexity']):.1f} |"
        for row in rows[::-1][::step][::-1]
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
