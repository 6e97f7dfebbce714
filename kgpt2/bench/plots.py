"""Pictures of measurements."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgpt2.bench.comparison import SIDES
from kgpt2.bench.turns import Spread
from kgpt2.drawing import new_figure, save_figure
from kgpt2.errors import RequestError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = ("png", "svg", "pdf")
COLOURS = {"keras": "tab:blue", "torch": "tab:orange", "kerashub": "tab:gray"}


def require_format(path: str) -> None:
    """Raises RequestError where a file name does not end in one of `FORMATS`."""
    if Path(path).suffix.lstrip(".").lower() not in FORMATS:
        raise RequestError(f"--plot: {path} must end in .{', .'.join(FORMATS)}")


def draw_throughput(report: Mapping[str, Any], path: Path) -> None:
    """Tokens per second of each row, with the range of its rounds."""
    rows = report["rows"]
    figure = new_figure(figsize=(8, 1.5 + 0.35 * len(rows)), layout="constrained")
    axes = figure.subplots()
    varying = [name for name in ("prompt_tokens", "new_tokens", "dtype", "runtime") if len({r[name] for r in rows}) > 1]
    labels = [
        ", ".join([row["sampler"], f"batch {row['batch']}", *(f"{_plain(name)} {row[name]}" for name in varying)])
        for row in rows
    ]
    batches = sorted({row["batch"] for row in rows})
    colours = [f"C{batches.index(row['batch'])}" for row in rows]
    _bars(axes, labels, [row["tokens_per_second"] for row in rows], colours)
    axes.set_xlabel("new tokens per second (median of the rounds, and their range)")
    axes.set_title(f"{report['model']}: {report['environment']['machine']}", fontsize="medium")
    save_figure(figure, path)


def draw_article(report: Mapping[str, Any], path: Path) -> None:
    """The seconds of the tutorial's calls: compiling, and writing."""
    calls = report["article"]["calls"]
    figure = new_figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    labels = [call["call"] for call in calls]
    compiling = [call["compiling_share"] * call["seconds"] for call in calls]
    writing = [call["seconds"] - share for call, share in zip(calls, compiling, strict=True)]
    axes.barh(labels, writing, color="tab:blue", label="writing")
    axes.barh(labels, compiling, left=writing, color="tab:orange", label="compiling")
    for place, call in enumerate(calls):
        axes.annotate(f'"{call["claimed_tokens_per_second"]:.2f} tokens/s"', (call["seconds"], place), va="center")
    axes.margins(x=0.2)
    axes.invert_yaxis()
    axes.set_xlabel("seconds of generate, KerasHub")
    axes.legend()
    save_figure(figure, path)


def draw_comparison(report: Mapping[str, Any], path: Path) -> None:
    """Each task and batch: tokens per second of the sides, side by side."""
    rows = report["rows"]
    figure = new_figure(figsize=(4 * len(rows), 3.6), layout="constrained")
    for axes, row in zip(figure.subplots(1, len(rows), squeeze=False)[0], rows, strict=True):
        sides = [side for side in SIDES if side in row]
        labels = [f"{SIDES[side]}\n{row[side]['ratio']:.2f} x" for side in sides]
        _bars(axes, labels, [row[side]["tokens_per_second"] for side in sides], [COLOURS[side] for side in sides])
        axes.set_xlabel("tokens per second")
        axes.set_title(f"{row['task']}, batch {row['batch']}", fontsize="medium")
    figure.suptitle(f"{report['model']}: {report['environment']['machine']}", fontsize="medium")
    save_figure(figure, path)


def _bars(axes: "Axes", labels: Sequence[str], rates: Sequence[Spread], colours: Sequence[str]) -> None:
    medians = [rate["median"] for rate in rates]
    below = [rate["median"] - rate["min"] for rate in rates]
    above = [rate["max"] - rate["median"] for rate in rates]
    axes.barh(range(len(rates)), medians, xerr=(below, above), color=colours, alpha=0.8, capsize=3)
    axes.set_yticks(range(len(rates)), labels)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)


def _plain(name: str) -> str:
    return name.replace("_tokens", "").replace("_", " ")
