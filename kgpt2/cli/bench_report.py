"""What `kgpt2 bench` and `kgpt2 compare` show to people: tables."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from kgpt2.bench.comparison import SIDES
from kgpt2.bench.environment import busy, environment
from kgpt2.bench.noise import noisy, too_noisy
from kgpt2.bench.turns import Spread
from kgpt2.cli.console import say, show
from kgpt2.cli.tables import Table
from kgpt2.writing import write_json


@contextlib.contextmanager
def measured(model: str) -> Iterator[dict[str, Any]]:
    """A report to be filled with rows; says at the end, and marks, where the machine was too noisy for them."""
    report: dict[str, Any] = {"environment": environment(), "model": model}
    others = busy()
    yield report
    rates = []
    for row in report["rows"]:
        own = _rates(row)
        row["noisy"] = noisy(others, own)
        rates += own
    if rates and (noise := too_noisy(others, rates)):
        say(f"warning: {noise}")


def print_report(
    report: Mapping[str, Any],
    tables: Callable[[Mapping[str, Any]], list[Table | str]],
    out: str | None,
    as_json: bool,
) -> None:
    """Writes a report to a file, where one is named, and prints it."""
    if out:
        write_json(Path(out), report)
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        show(*tables(report))


def throughput_table(report: Mapping[str, Any]) -> list[Table | str]:
    """The rows of `kgpt2 bench`."""
    right = ("batch", "prompt", "new", "start-up s", "first token s", "tokens/s", "range", "ms/token", "x greedy", "MB")
    names = ["sampler", *right[:3], "dtype", "runtime", *right[3:]]
    same, spare = ("prompt", "new", "dtype", "runtime"), ("ms/token", "x greedy", "first token s", "MB", "range")
    shown = Table(names, right, same=same, spare=spare)
    for row in report["rows"]:
        rate, step = row["tokens_per_second"], row["milliseconds_per_token"]
        shown.rows.append(
            [
                row["sampler"],
                *(str(row[name]) for name in ("batch", "prompt_tokens", "new_tokens")),
                row["dtype"],
                row["runtime"],
                f"{row['startup_seconds']:.2f}",
                f"{row['first_token_seconds']:.3f}",
                _rate(rate, row),
                _range(rate),
                f"{step['median']:.2f}",
                "" if row["relative_to_greedy"] is None else f"{row['relative_to_greedy']:.2f}",
                _megabytes(row["peak_memory_mb"]),
            ]
        )
    return [shown]


def article_table(report: Mapping[str, Any]) -> list[Table | str]:
    """The calls of `kgpt2 bench --article`, and what they say."""
    names = ("seconds", "tokens/s as the tutorial counts", "new tokens", "tokens/s of those", "compiling")
    shown = Table(["call", *names], names)
    for call in report["article"]["calls"]:
        shown.rows.append(
            [
                call["call"],
                f"{call['seconds']:.2f}",
                f"{call['claimed_tokens_per_second']:.2f}",
                str(call["new_tokens"]),
                f"{call['tokens_per_second']:.2f}",
                f"{call['compiling_share']:.0%}",
            ]
        )
    return [shown, "", *report["article"]["findings"]]


def comparison_table(report: Mapping[str, Any]) -> list[Table | str]:
    """Parity and rows of `kgpt2 compare`."""
    checks = Table(["parity", "found", "allowed", ""], right=("found", "allowed"))
    for check in report["checks"]:
        found, allowed = (_value(check[name]) for name in ("found", "allowed"))
        checks.rows.append([check["name"], found, allowed, "equal" if check["holds"] else "DIFFERS"])
    right = ("batch", "tokens/s", "range", "x PyTorch", "start-up s", "MB")
    shown = Table(["task", "batch", "route", *right[1:]], right, spare=("MB", "start-up s", "range"))
    for row in report["rows"]:
        for side, name in SIDES.items():
            if side not in row:
                continue
            own = row[side]
            shown.rows.append(
                [
                    row["task"],
                    str(row["batch"]),
                    name,
                    _rate(own["tokens_per_second"], row),
                    _range(own["tokens_per_second"]),
                    f"{own['ratio']:.2f}",
                    f"{own['startup_seconds']:.1f}",
                    _megabytes(own["peak_memory_mb"]),
                ]
            )
    return [checks, "", shown]


def _rates(row: Mapping[str, Any]) -> list[Spread]:
    """Of a row of `kgpt2 bench`, or of the sides of one of `kgpt2 compare`."""
    sides = (side for side in (row, *row.values()) if isinstance(side, dict) and "tokens_per_second" in side)
    return [side["tokens_per_second"] for side in sides]


def _rate(rate: Mapping[str, float], row: Mapping[str, Any]) -> str:
    return f"{rate['median']:.1f}{' (noisy)' if row['noisy'] else ''}"


def _range(values: Mapping[str, float]) -> str:
    return f"{values['min']:.1f}-{values['max']:.1f}"


def _megabytes(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _value(value: object) -> str:
    return f"{value:.2e}" if isinstance(value, float) else str(value)
