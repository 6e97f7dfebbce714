"""The pictures of the documentation, drawn as SVG: speed out of the records, how masks cut out of mini_zh, a batch.

python -m benchmarks.pictures          # all; `python -m benchmarks.report` draws the speed too
"""

import html
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
IMAGES = HERE.parent / "docs/images"
INK, QUIET, OURS, OTHERS, PAPER = "#222", "#777", "#b5443a", "#9aa7b4", "#fffdf8"
FONT = "system-ui, 'Noto Sans', 'Noto Sans CJK SC', sans-serif"
# The groups of bars: title, record, what picks its row, the routes with their names.
SPEED = (
    (
        "New tokens a second, GPT-2 base, batch 1, two CPU cores",
        "generation",
        {"batch": 1},
        {
            "transformers": "transformers",
            "kerashub-tensorflow": "KerasHub, TensorFlow",
            "llama.cpp-f32": "llama.cpp, float32",
            "kgpt2-float32": "kgpt2, float32",
            "llama.cpp-q8_0": "llama.cpp, q8_0",
            "kgpt2-int8": "kgpt2, int8",
        },
    ),
    (
        "The same, batch 128, bfloat16, one NVIDIA H200",
        "gpu_decode",
        {"batch": 128, "shape": "base"},
        {
            "transformers": "transformers",
            "transformers-static": "transformers, compiled",
            "kgpt2-graphs": "kgpt2 on JAX",
        },
    ),
    (
        "Positions learned a second, 32 x 128, bfloat16, one NVIDIA H200",
        "gpu_fit",
        {"batch": 32, "shape": "base"},
        {"torch-compiled": "torch.compile, fused AdamW", "kgpt2-fit": "kgpt2 fit"},
    ),
    (
        "Seconds from start to the first token, two CPU cores (shorter is better)",
        "cold_start",
        {},
        {"kerashub": "KerasHub", "transformers": "transformers", "kgpt2-float32": "kgpt2, float32"},
    ),
)


def main() -> None:
    """Writes the pictures."""
    (IMAGES / "speed.svg").write_text(speed(), "utf-8")
    (IMAGES / "masks.svg").write_text(masks(), "utf-8")
    (IMAGES / "pipeline.svg").write_text(pipeline(), "utf-8")


def speed() -> str:
    """Bars of the recorded medians, a group for each measurement, each group with its own scale."""
    lines: list[str] = []
    y = 30
    for title, record, wanted, routes in SPEED:
        row = row_of(record, wanted)
        values = {name: rate(row)[route] for route, name in routes.items()}
        lines.append(text(20, y, f"{title}, {row['date']}", weight=600))
        lines += bars(values, y + 14)
        y += 14 + 24 * len(values) + 34
    return drawing(720, y - 14, lines)


def bars(values: Mapping[str, float], top: int) -> Iterator[str]:
    """A bar for each value, ours in another colour."""
    longest = max(values.values())
    for number, (name, value) in enumerate(values.items()):
        y = top + 24 * number
        width = max(2, round(400 * value / longest))
        yield text(205, y + 14, name, anchor="end", size=13)
        yield box(212, y + 2, width, 17, OURS if name.startswith("kgpt2") else OTHERS)
        yield text(218 + width, y + 15, f"{value:,.0f}" if value >= 100 else f"{value:,.1f}", size=13)


def row_of(record: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The first row of a record that has these values, with the record's date."""
    content = json.loads((HERE / "records" / f"{record}.json").read_text("utf-8"))
    rows = content if isinstance(content, list) else content.get("rows", [content])
    found = next(row for row in rows if all(row.get(key) == value for key, value in wanted.items()))
    return {"date": content["date"] if isinstance(content, dict) else found["date"], **found}


def rate(row: Mapping[str, Any]) -> dict[str, float]:
    """The medians of a row, however its script calls them."""
    found: dict[str, float] = next(row[key] for key in ("median", "tokens_per_second", "seconds") if key in row)
    return found


def masks(prompt: str = "春风", form: str = "七绝", places: int = 5) -> str:
    """The likeliest candidates of the first places of a form; those that the masks take out are struck through."""
    import kgpt2
    from kgpt2.config.settings import Settings
    from kgpt2.generation.decoder import Decoder
    from kgpt2.serve.lens import trace

    lm = kgpt2.load("mini_zh")
    settings = Settings(form=form, seed=1)
    line = lm.prepare([prompt], settings)[0]
    found = trace(Decoder(lm.runtime, lm.tokenizer, settings), line, settings, 1)[:places]
    title = f"“{prompt}” goes on as {form}: what the model proposes, and what the masks leave"
    lines = [text(20, 30, title, weight=600)]
    for number, place in enumerate(found):
        lines += column(place, 20 + 138 * number, number + len(prompt) + 1)
    why = "Struck through: wrong tone, rhyme or mark, or a character that came before. Red: drawn."
    return drawing(720, 312, [*lines, text(20, 296, why, size=13)])


def column(place: Mapping[str, Any], x: int, number: int) -> Iterator[str]:
    """A place: its likeliest candidates and what was drawn, with the probabilities that the model gives them."""
    yield text(x, 58, f"character {number}", size=13, fill=QUIET)
    shown = place["candidates"][:8]
    if place["id"] not in [one["id"] for one in shown]:
        shown = [*shown[:7], {**place, "out": ""}]
    for row, one in enumerate(shown):
        y = 82 + 25 * row
        out, drawn = one["out"] == "ban", one["id"] == place["id"]
        fill = OURS if drawn else QUIET if out else INK
        width = max(1, round(60 * min(1.0, one["p"] * 4)))
        yield box(x + 26, y - 12, width, 14, OURS if drawn else OTHERS, 0.3 if out else 1)
        yield text(x, y, one["text"], size=18, fill=fill)
        yield text(x + 92, y, f"{100 * one['p']:.1f}%", size=11, fill=fill)
        if out:
            yield f'<line x1="{x - 3}" y1="{y - 6}" x2="{x + 21}" y2="{y - 6}" stroke="{INK}" stroke-width="1.5"/>'


# From text to a batch: what a step is called, what it does, what comes out of it.
STEPS = (
    ("data.source", "read and cleaned", "春眠不觉晓，处处…"),
    ("a split", "by what a text says", "train 95 %, held out 5 %"),
    ("token cache", "tokenised once, kept", "[CLS] 春 眠 不 觉…"),
    ("a batch", "made when asked for", "rows of like length"),
)


def pipeline() -> str:
    """From text to a batch, and a batch with what counts in it."""
    title = "From a text to a batch: each is computed from its number alone"
    lines = [text(20, 30, title, weight=600)]
    for number, (name, how, out) in enumerate(STEPS):
        x = 20 + 176 * number
        lines += [box(x, 48, 152, 74, OTHERS, 0.3), text(x + 10, 70, name, weight=600), text(x + 10, 90, how, size=12)]
        lines.append(text(x + 10, 110, out, size=11, fill=QUIET))
        if number:
            lines.append(text(x - 19, 90, "→", size=16))
    lines.append(text(20, 156, "tokens: the row read so far", size=13))
    lines.append(text(375, 156, "targets: the next token; red ones count", size=13))
    for row, length in enumerate((9, 8, 6)):
        for place in range(9):
            y, real = 168 + 26 * row, place < length
            lines.append(box(20 + 36 * place, y, 32, 20, OTHERS, 1 if real else 0.2))
            lines.append(box(375 + 36 * place, y, 32, 20, OURS if real else OTHERS, 1 if real else 0.2))
    lines.append(text(20, 262, "Pale places are padding: attention does not see them, no mean counts them.", size=13))
    return drawing(720, 278, lines)


def text(x: int, y: int, words: str, size: int = 14, weight: int = 400, anchor: str = "start", fill: str = INK) -> str:
    """A line of text."""
    style = f'font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" fill="{fill}"'
    return f'<text x="{x}" y="{y}" {style}>{html.escape(words)}</text>'


def box(x: int, y: int, width: int, height: int, fill: str, opacity: float = 1) -> str:
    """A filled rectangle."""
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="2" fill="{fill}" opacity="{opacity:g}"/>'


def drawing(width: int, height: int, lines: Iterable[str]) -> str:
    """A whole SVG file, on paper of its own so that it reads on dark pages too."""
    shapes: Sequence[str] = [f'<rect width="{width}" height="{height}" rx="6" fill="{PAPER}"/>', *lines]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="{FONT}">'
    return "\n".join([head, *shapes, "</svg>"]) + "\n"


if __name__ == "__main__":
    main()
