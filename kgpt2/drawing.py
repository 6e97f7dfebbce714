"""Figures that are drawn into files: matplotlib without pyplot, a display, or the backend of somebody's notebook."""

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgpt2.writing import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def import_matplotlib() -> None:
    """Imports matplotlib, also where MPLBACKEND names a backend that is not here.

    A child of a notebook inherits its MPLBACKEND, and matplotlib may refuse to be imported for it. What will do counts
    all the same: pyplot, which the caller may use, goes by it.
    """
    if "matplotlib" in sys.modules:
        return
    given = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if given is not None:
            os.environ["MPLBACKEND"] = given
    if given:
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = given


def new_figure(**shape: Any) -> "Figure":
    """An empty figure of Agg's canvas; matplotlib is imported now.

    Args:
        shape: what matplotlib's `Figure` takes.

    Example:
        >>> new_figure(figsize=(2, 1)).canvas.get_width_height()
        (200, 100)
    """
    import_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(**shape)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", path: Path) -> None:
    """Writes a figure whole or not at all, in the format of the file's name."""
    with whole_file(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lstrip(".").lower(), dpi=120)
