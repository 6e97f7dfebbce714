"""The picture of a run: `curves.png`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kgpt2.drawing import new_figure, save_figure


def draw_curves(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draws losses and learning rate over the updates.

    Args:
        rows: of metrics.csv, one or more.
        path: of the PNG.
    """
    figure = new_figure(figsize=(8, 6), layout="constrained")
    losses, rates = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    steps = [row["step"] for row in rows]
    losses.plot(steps, [row["loss"] for row in rows], marker=".", label="training (mean since the last point)")
    if "val_loss" in rows[0]:
        losses.plot(steps, [row["val_loss"] for row in rows], marker=".", label="validation")
        best = min(rows, key=lambda row: row["val_loss"])
        label = f"best: {best['val_loss']:.4f} at step {best['step']}"
        losses.plot(best["step"], best["val_loss"], "o", markersize=10, fillstyle="none", color="black", label=label)
    losses.set_ylabel("loss (nats per token)")
    losses.legend()
    rates.plot(steps, [row["learning_rate"] for row in rows], marker=".", color="tab:green")
    rates.set_ylabel("learning rate")
    rates.set_xlabel("step (optimizer updates)")
    rates.set_ylim(bottom=0)
    rates.ticklabel_format(axis="y", scilimits=(-3, 3))
    rates.xaxis.get_major_locator().set_params(integer=True)
    for axes in (losses, rates):
        axes.grid(alpha=0.3)
    save_figure(figure, path)
