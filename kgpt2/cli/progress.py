"""Progress bars of commands, on stderr, where that is a terminal."""

import contextlib
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def reading() -> Iterator[Callable[[float, int], None]]:
    """A bar for the reading of data; yields what `token_cache.tokenise` calls with the part done and the examples."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("reading"),
        BarColumn(),
        TextColumn("{task.fields[examples]:,} examples, {task.fields[rate]} a second"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=1.0, examples=0, rate="-")

        def update(done: float, examples: int) -> None:
            elapsed = progress.tasks[0].elapsed
            rate = f"{examples / elapsed:,.0f}" if elapsed else "-"
            progress.update(task, completed=done, examples=examples, rate=rate)

        yield update


@contextlib.contextmanager
def ticking(steps: int) -> Iterator[Callable[[str], None]]:
    """A bar for work of so many steps; yields what tells it that one begins, and which."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task, begun = progress.add_task("", total=steps), 0

        def tick(what: str) -> None:
            nonlocal begun
            progress.update(task, completed=begun, description=what)
            begun += 1

        yield tick
