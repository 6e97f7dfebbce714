"""What the model writes while it learns: `samples.txt`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.text import Text

from kgpt2.errors import escaped
from kgpt2.generation.decoder import Decoder
from kgpt2.generation.generate import Clock, generate
from kgpt2.generation.rows import Prompt
from kgpt2.language import told
from kgpt2.progress import shows_bars
from kgpt2.training.target import LOSS, Logs
from kgpt2.training.token_meter import TokenMeter
from kgpt2.writing import write_text

# Characters of the line on the terminal.
_LINE = 80


class Samples(keras.callbacks.Callback):
    """Continues the same prompts with the same draws after each validation, so that the model alone differs.

    The draws are NumPy's, seeded by the settings: those of training are not touched.

    Args:
        folder: the run's.
        meter: counts the batches.
        prompts: from `prepare_prompts`; none: nothing is written.
        decoder: of the model that learns.
        console: is shown the texts.

    Attributes:
        entries: the file's, each `{"step", "heading", "texts"}`.
    """

    def __init__(
        self,
        folder: Path,
        meter: TokenMeter,
        prompts: Sequence[Prompt],
        decoder: Decoder,
        console: Console,
    ):
        super().__init__()
        self._path, self._meter, self._console = folder / "samples.txt", meter, console
        self._prompts, self._decoder = prompts, decoder
        self.entries: list[dict[str, Any]] = []

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if not self._prompts:
            return
        generations = generate(self._decoder, self._prompts, Clock())
        texts = [generation.text for generation in generations]
        name, key = ("validation", f"val_{LOSS}") if f"val_{LOSS}" in logs else ("training", LOSS)
        heading = f"step {self._meter.step:,}, {name} loss {logs[key]:.4f}"
        self.entries.append({"step": self._meter.step, "heading": heading, "texts": texts})
        self._write()
        for text in texts:
            self._console.print(self._shown(text), highlight=False, soft_wrap=True)

    def _shown(self, text: str) -> Text:
        """A text in one line: of the terminal, or of so many characters."""
        shown = Text(f"{told('sample:')} {escaped(_one_line(text), 2 * _LINE)}")
        if shows_bars(self._console):
            shown.truncate(self._console.width, overflow="ellipsis")
        return shown

    def progress(self) -> dict[str, Any]:
        """What has been written."""
        return {"entries": self.entries}

    def go_on(self, progress: dict[str, Any]) -> None:
        """Writes on from there."""
        self.entries = progress["entries"]
        if self.entries:
            self._write()

    def _write(self) -> None:
        blocks = [[f"== {entry['heading']} ==", *entry["texts"]] for entry in self.entries]
        write_text(self._path, "\n".join("\n\n".join(block) + "\n" for block in blocks))


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LINE else f"{text[:_LINE]}…"
