"""What a run shows on the terminal."""

import threading

import keras
from rich.cells import cell_len
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from kgpt2.language import told
from kgpt2.progress import flexible_bar, shows_bars
from kgpt2.training.target import ACCURACY, LOSS, Logs, likelihood_report
from kgpt2.training.telling import teller
from kgpt2.training.token_meter import TokenMeter

# Cells of a terminal that has room for everything.
_WIDE = 100
# Seconds after which a log says why nothing seems to happen.
_PATIENCE = 3.0
_STEP = "compiling the first step, which may take a minute"
_VALIDATION = "compiling the first validation, which may take a minute"


class Shown(keras.callbacks.Callback):
    """The progress bar, and a line for each validation; without a bar, also what is compiled and takes a while.

    Args:
        meter: counts the batches.
        batches: how many will be trained.
        console: where to show them.
    """

    def __init__(self, meter: TokenMeter, batches: int, console: Console):
        super().__init__()
        self._meter, self._console = meter, console
        accuracy = f"  {told('accuracy {task.fields[accuracy]}')}" if console.width >= _WIDE else ""
        self._progress = Progress(
            TextColumn(told("step {task.fields[step]}")),
            flexible_bar(),
            TextColumn(
                f"{{task.percentage:3.0f}}%  {told('loss {task.fields[loss]}')}{accuracy}  "
                f"{told('{task.fields[rate]} tokens/s')}"
            ),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not shows_bars(console),
        )
        self._task = self._progress.add_task("", total=batches, step=0, loss="-", accuracy="-", rate="-")
        self._unsaid = set() if shows_bars(console) else {_STEP, _VALIDATION}
        self._waiting: threading.Timer | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._progress.update(self._task, completed=self._meter.batches)
        self._progress.start()

    def close(self) -> None:
        """Takes the bar off the terminal, also when training ended with an error."""
        self._progress.stop()
        self._has_come()

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._say_if_slow(_STEP)

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._say_if_slow(_VALIDATION)

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._has_come()

    def _say_if_slow(self, message: str) -> None:
        """Says once what is being done, unless it is done soon."""
        if message in self._unsaid:
            self._unsaid.remove(message)
            self._waiting = threading.Timer(_PATIENCE, teller(self._console), [message])
            self._waiting.daemon = True
            self._waiting.start()

    def _has_come(self) -> None:
        if self._waiting:
            self._waiting.cancel()
            self._waiting = None

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        self._has_come()
        self._progress.update(
            self._task,
            advance=1,
            step=self._meter.step,
            loss=f"{logs[LOSS]:.4f}",
            accuracy=f"{logs[ACCURACY]:.4f}",
            rate=self._rate() or "-",
        )

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        parts = [told(f"step {self._meter.step:,}"), _phrase(likelihood_report(logs))]
        if f"val_{LOSS}" in logs:
            parts.append(told(f"held out: {_phrase(likelihood_report(logs, 'val_'))}"))
        if rate := self._rate():
            parts.append(told(f"{rate} tokens/s"))
        line = " | ".join(parts)
        if shows_bars(self._console) and cell_len(line) > self._console.width:
            line = "\n  ".join(parts)
        self._console.print(line, highlight=False, soft_wrap=True)

    def _rate(self) -> str:
        """The warm batches' tokens per second; "" where none has been warm yet, or they are too few to count."""
        rate = self._meter.tokens_per_second
        return f"{rate:,.0f}" if round(rate) else ""


def _phrase(report: dict[str, float]) -> str:
    loss, accuracy, perplexity = (report[name] for name in ("loss", "accuracy", "perplexity"))
    return told(f"loss {loss:.4f}, accuracy {accuracy:.4f}, perplexity {perplexity:.2f}")
