"""Progress bars, on stderr, where that is a terminal or a notebook."""

import contextlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column


def flexible_bar() -> BarColumn:
    """The column that takes what the others leave of a line, so that none of them is broken."""
    return BarColumn(bar_width=None)


@contextlib.contextmanager
def _bar(
    *columns: ProgressColumn, total: float, completed: int = 0, console: Console | None = None, **fields: Any
) -> Iterator[Callable[..., None]]:
    """A bar of one task; yields what updates it."""
    console = console or Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not shows_bars(console)) as progress:
        task = progress.add_task("", total=total, completed=completed, **fields)

        def update(**changes: Any) -> None:
            progress.update(task, **changes)

        yield update


def shows_bars(console: Console) -> bool:
    """Whether a bar can be drawn again and again in its place."""
    # rich draws a notebook's bars with ipywidgets, and warns where it is missing.
    widgets = console.is_jupyter and importlib.util.find_spec("ipywidgets") is not None
    return console.is_terminal or widgets


@contextlib.contextmanager
def reading(console: Console | None = None) -> Iterator[Callable[[float, int], None]]:
    """A bar for the reading of data; yields what `token_cache.tokenise` calls with the part done and the examples."""
    shown = TextColumn("{task.fields[examples]:,} examples")
    columns = (
        TextColumn("reading"),
        flexible_bar(),
        shown,
        _Rate("examples"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with _bar(*columns, total=1.0, console=console, examples=0) as update:
        yield lambda done, examples: update(completed=done, examples=examples)


@contextlib.contextmanager
def ticking(steps: int) -> Iterator[Callable[[str], None]]:
    """A bar for work of so many steps; yields what tells it that one begins, and which."""
    begun = iter(range(steps + 1))
    columns = (flexible_bar(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with _bar(*columns, total=steps) as update:
        yield lambda what: update(completed=next(begun, steps), description=what)


@contextlib.contextmanager
def scoring() -> Iterator[Callable[[float, float], None]]:
    """A bar for the scoring of texts; yields what takes the part done and the perplexity so far."""
    shown = TextColumn("{task.percentage:3.0f}%  {task.fields[shown]}")
    with _bar(flexible_bar(), shown, TimeElapsedColumn(), TimeRemainingColumn(), total=1.0, shown="") as update:
        yield lambda done, perplexity: update(completed=done, shown=f"perplexity {perplexity:.2f}")


@contextlib.contextmanager
def writing(total: int, done: int) -> Iterator[Callable[[int, float], None]]:
    """A bar for prompts of which some are done; yields what takes how many more are, and the tokens a second."""
    shown = TextColumn("prompts  {task.fields[rate]} tokens/s")
    columns = (flexible_bar(), MofNCompleteColumn(), shown, TimeElapsedColumn(), TimeRemainingColumn())
    with _bar(*columns, total=total, completed=done, rate="-") as update:
        yield lambda more, rate: update(advance=more, rate=f"{rate:,.0f}" if rate else "-")


@contextlib.contextmanager
def converting() -> Iterator[Callable[[int, int], None]]:
    """A bar for bytes; yields what takes how many are done, and how many there are."""
    with _bar(flexible_bar(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(), total=0) as update:
        yield lambda done, total: update(completed=done, total=total)


class _Rate(ProgressColumn):
    """A field of the task by the second."""

    def __init__(self, name: str):
        super().__init__(table_column=Column(no_wrap=True))
        self._name = name

    def render(self, task: Any) -> Any:
        from rich.text import Text

        return Text(f"{task.fields[self._name] / task.elapsed:,.0f} a second" if task.elapsed else "")
