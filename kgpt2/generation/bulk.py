"""Any number of prompts into a file: flat memory, results in the order of the prompts, resumed after a kill.

Results gather in FILE.part, a window of prompts at a time; FILE.part.json says how far it can be trusted and what was
asked for. At the end FILE.part becomes FILE.
"""

import dataclasses
import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kgpt2.errors import RequestError, quoted
from kgpt2.files import read_object, require_regular, write_json
from kgpt2.generation.engine import Clock, generate
from kgpt2.generation.language_model import LanguageModel
from kgpt2.generation.prompts import Prompts
from kgpt2.generation.rows import Generation
from kgpt2.generation.settings import Settings

# Batches between two looks at the disk; prompts of like length are computed together within them.
WINDOW = 8


class Part:
    """What is written so far.

    Args:
        out: the file that it becomes.
        request: what was asked for, by name; a part of another request is not gone on with.
        resume: whether to go on with a part that is there.

    Attributes:
        done: prompts whose results are written.

    Raises:
        RequestError: a part is there and `resume` is not asked for; or it is of another request, or damaged.
    """

    def __init__(self, out: Path, request: Mapping[str, Any], resume: bool):
        self._out, self._request = out, dict(request)
        self._path, self._record = (out.with_name(out.name + suffix) for suffix in (".part", ".part.json"))
        self.done, self._bytes = 0, 0
        if not (self._path.exists() and self._record.exists()):
            return
        record = read_object(self._record, "record of unfinished results")
        done, size, before = (record.get(key) for key in ("prompts", "bytes", "request"))
        if not (_is_count(done) and _is_count(size) and isinstance(before, dict) and "seed" in before):
            raise RequestError(f"{self._record}: damaged; remove it and {self._path} to begin again")
        if not resume:
            raise RequestError(
                f"{self._path}: holds the results of {done:,} prompts of a run that was interrupted\n"
                f"--resume goes on with it; remove it to begin again"
            )
        changed = [key for key, value in self._request.items() if key != "seed" and before.get(key) != value]
        if self._request["seed"] is not None and before["seed"] != self._request["seed"]:
            changed.append("seed")
        if changed:
            shown = ", ".join(f"{key} (was {quoted(before.get(key))}, is {self._request[key]})" for key in changed)
            raise RequestError(
                f"--resume: {self._path} was begun with another request: {shown}\nask for the same again"
            )
        require_regular(self._path, "file of unfinished results")
        if self._path.stat().st_size < size:
            raise RequestError(f"{self._path}: shorter than it was; remove it to begin again")
        self.done, self._bytes, self._request = done, size, before

    @property
    def seed(self) -> int | None:
        """What the results so far were drawn with, or what was asked for."""
        return self._request["seed"]

    def append(self, lines: list[str], prompts: int, seed: int) -> None:
        """Adds the results of so many more prompts; they are on the disk when this returns."""
        data = "".join(lines).encode()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._path, "r+b" if self._bytes else "wb") as file:
            file.truncate(self._bytes)  # what a kill left behind the last record
            file.seek(self._bytes)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        self.done, self._bytes, self._request["seed"] = self.done + prompts, self._bytes + len(data), seed
        write_json(self._record, {"prompts": self.done, "bytes": self._bytes, "request": self._request})

    def finish(self) -> None:
        """Gives the file its name."""
        with open(self._path, "r+b") as file:
            file.truncate(self._bytes)
        os.replace(self._path, self._out)
        self._record.unlink()


def write(
    lm: LanguageModel,
    prompts: Prompts,
    settings: Settings,
    part: Part,
    line_of: Callable[[Generation], str],
    clock: Clock,
) -> Iterator[int]:
    """Continues prompts into a part, and finishes it; yields how many prompts were done, window by window.

    Args:
        lm: the model.
        prompts: all of them, those done before too.
        settings: how to choose tokens.
        part: of the same request.
        line_of: how a generation is written.
        clock: is added to.
    """
    settings = dataclasses.replace(settings, seed=part.seed)
    window = max(1, WINDOW * settings.batch_size // settings.num_return)
    left = itertools.islice(prompts, part.done, None)
    while texts := list(itertools.islice(left, window)):
        ready = lm.prepare(texts, settings)
        order = sorted(range(len(ready)), key=lambda place: (ready[place].max_new_tokens, len(ready[place].ids)))
        generations = generate(lm.runtime, lm.tokenizer, [ready[place] for place in order], settings, clock)
        lines: dict[int, list[str]] = {}
        for number, generation in enumerate(generations):
            settings = dataclasses.replace(settings, seed=generation.seed)  # a drawn one serves all windows
            lines.setdefault(order[number // settings.num_return], []).append(line_of(generation))
        part.append([line for place in range(len(ready)) for line in lines[place]], len(ready), settings.seed)
        yield len(ready)
    part.finish()


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def request_of(settings: Settings, **others: Any) -> dict[str, Any]:
    """What makes results differ, as JSON has it: settings (but for the batch size) and what the caller adds."""
    values = dataclasses.asdict(settings) | others
    del values["batch_size"]
    return json.loads(json.dumps(values))
