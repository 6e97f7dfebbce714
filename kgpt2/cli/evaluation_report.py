"""What `kgpt2 evaluate` shows to people: a table, and a Markdown report."""

import json
from collections.abc import Sequence
from typing import Any

from kgpt2.cli.tables import Table
from kgpt2.generation.rows import Generation

# Generated texts in a report.
SHOWN = 20


def table(reports: Sequence[dict[str, Any]]) -> Table:
    """Measures and values, a column a model, for a terminal."""
    names = [report["model"] for report in reports] if len(reports) > 1 else ["value"]
    shown = Table(["measure", *names], right=names, cut=names)
    columns = [dict(_rows(report)) for report in reports]
    for measure in dict.fromkeys(measure for column in columns for measure in column):
        shown.rows.append([measure, *(column.get(measure, "-") for column in columns)])
    return shown


def markdown(report: dict[str, Any], written: Sequence[tuple[Generation, str]]) -> str:
    """The same as a document, with the first texts that were generated and what people wrote in their place."""
    lines = [f"# {report['model']} on {report['data']}", "", "| measure | value |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in _rows(report)]
    if written:
        lines += ["", "## Generated", "", "| prompt | completion | reference |", "|---|---|---|"]
        lines += [
            f"| {_cell(one.prompt)} | {_cell(one.completion)} | {_cell(reference)} |"
            for one, reference in written[:SHOWN]
        ]
    return "\n".join(lines) + "\n"


def json_lines(report: dict[str, Any], written: Sequence[tuple[Generation, str]]) -> str:
    """Every text that was generated, an object a line, with what a person wrote in its place."""
    rows = (
        {
            "model": report["model"],
            "prompt": one.prompt,
            "text": one.text,
            "completion": one.completion,
            "reference": reference,
        }
        for one, reference in written
    )
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def judgement(found: dict[str, dict[str, Any]]) -> list[Table | str]:
    """What people said of each source, a criterion at a time."""
    parts: list[Table | str] = []
    for criterion, said in found.items():
        figures = ["mean", "95% interval", "texts"]
        sources = Table([criterion, *figures], right=figures)
        for name, one in said["sources"].items():
            interval = f"{one['low']:.2f} to {one['high']:.2f}"
            sources.rows.append([name, f"{one['mean']:.2f}", interval, str(one["texts"])])
        pairs = Table(["first", "second", "better", "worse", "equal", "p"], right=["p"])
        for pair in said["pairs"]:
            counts = (str(pair[name]) for name in ("better", "worse", "equal"))
            pairs.rows.append([*pair["sources"], *counts, f"{pair['p']:.3g}"])
        alpha = "-" if said["alpha"] is None else f"{said['alpha']:.2f}"
        parts += [sources, f"agreement between raters (Krippendorff's alpha): {alpha}", pairs, ""]
    return parts[:-1]


def _rows(report: dict[str, Any]) -> list[tuple[str, str]]:
    flat = {name: value for name, value in report.items() if name not in ("model", "data", "generation")}
    flat |= {f"generated {name}": value for name, value in report.get("generation", {}).items()}
    return [(name.replace("_", " "), _number(value)) for name, value in flat.items()]


def _number(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,.4f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
