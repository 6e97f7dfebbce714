"""What `kgpt2 evaluate` shows to people: a table, and a Markdown report."""

from collections.abc import Sequence
from typing import Any

from rich.table import Column, Table

from kgpt2.generation.rows import Generation

# Generated texts in a report.
SHOWN = 20


def table(report: dict[str, Any]) -> Table:
    """Measures and values, for a terminal."""
    shown = Table(Column("measure"), Column("value", justify="right"), box=None, pad_edge=False)
    for name, value in _rows(report):
        shown.add_row(name, value)
    return shown


def markdown(report: dict[str, Any], generations: Sequence[Generation]) -> str:
    """The same as a document, with the first texts that were generated."""
    lines = [f"# {report['model']} on {report['data']}", "", "| measure | value |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in _rows(report)]
    if generations:
        lines += ["", "## Generated", "", "| prompt | completion |", "|---|---|"]
        lines += [f"| {_cell(one.prompt)} | {_cell(one.completion)} |" for one in generations[:SHOWN]]
    return "\n".join(lines) + "\n"


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
