"""Any number of prompts into a file: flat memory, results in the order of the prompts, resumed after a kill.

Results gather in FILE.part, a window of prompts at a time; FILE.part.json says how far it can be trusted and what was
asked for. At the end FILE.part becomes FILE. What is no file (a FIFO, a device) gets them as they come.
"""

import dataclasses
import functools
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard

from kgpt2.config.settings import Settings
from kgpt2.errors import RequestError, WorkError, quoted
from kgpt2.files import read_object, require_regular
from kgpt2.generation.generate import Clock, generate
from kgpt2.generation.language_model import LanguageModel
from kgpt2.generation.prompts import Prompts
from kgpt2.generation.rows import Generation
from kgpt2.writing import is_stream, open_stream, target_of, write_json

PART, RECORD = ".part", ".part.json"
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
        # A link stays: what it points to is replaced, by what lies beside that.
        self._out, self._request = target_of(out), dict(request)
        self._path, self._record = (self._out.with_name(self._out.name + suffix) for suffix in (PART, RECORD))
        self.done, self._bytes = 0, 0
        for path in (self._path, self._record):
            if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
                raise RequestError(f"{path}: results gather there, and this is no file; remove it")
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
        seed: int | None = self._request["seed"]
        return seed

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do: the file is there, and no part of it."""
        return not self.done and self._out.exists()

    def append(self, lines: list[str], prompts: int, seed: int | None) -> None:
        """Adds the results of so many more prompts; they are on the disk when this returns.

        Raises:
            WorkError: the disk does not take them; what it took before stays.
        """
        data = "".join(lines).encode()
        record = {"prompts": self.done + prompts, "bytes": self._bytes + len(data)}
        try:
            with open(self._path, "r+b" if self._bytes else "wb") as file:
                file.truncate(self._bytes)  # what a kill left behind the last record
                file.seek(self._bytes)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if not self._bytes and self._out.exists():
                shutil.copymode(self._out, self._path)
            write_json(self._record, record | {"request": self._request | {"seed": seed}})
        except OSError as error:
            if not self.done:
                self._path.unlink(missing_ok=True)
            kept = f"\n--resume goes on after the {self.done:,} prompts that are done" if self.done else ""
            raise WorkError(f"{self._path}: {error.strerror or error}{kept}") from None
        self.done, self._bytes, self._request["seed"] = record["prompts"], record["bytes"], seed

    def finish(self) -> None:
        """Gives the file its name."""
        with open(self._path, "r+b") as file:
            file.truncate(self._bytes)
        os.replace(self._path, self._out)
        self._record.unlink()


class Passed:
    """What is written to a FIFO or device: a `Part` that keeps nothing.

    Args:
        out: it; opened with the first results.
        seed: what was asked for.

    Raises:
        WorkError: from `append`: it takes nothing more.
    """

    is_complete = False

    def __init__(self, out: Path, seed: int | None):
        self.done, self.seed = 0, seed
        self._out = out

    @functools.cached_property
    def _file(self) -> BinaryIO:
        return open_stream(self._out)

    def append(self, lines: list[str], prompts: int, seed: int | None) -> None:
        """Passes the results of so many more prompts on."""
        try:
            self._file.write("".join(lines).encode())
            self._file.flush()
        except OSError as error:
            gone = "nobody reads it any more" if isinstance(error, BrokenPipeError) else error.strerror
            raise WorkError(f"{self._out}: {gone}") from None
        self.seed = seed

    def finish(self) -> None:
        """Tells the reader that this was all."""
        self._file.close()


def open_part(out: Path, request: Mapping[str, Any], resume: bool) -> Part | Passed:
    """Where results go; arguments and errors as those of `Part`."""
    if not is_stream(out):
        return Part(out, request, resume)
    if resume:
        raise RequestError(f"--resume: {out} is no file, and keeps nothing that could be gone on with")
    return Passed(out, request["seed"])


def write(
    lm: LanguageModel,
    prompts: Prompts,
    settings: Settings,
    part: Part | Passed,
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
        clock: accumulates time and tokens.
    """
    settings = dataclasses.replace(settings, seed=part.seed)
    window = max(1, WINDOW * settings.batch_size // settings.num_return)
    left = itertools.islice(prompts, part.done, None)
    while texts := list(itertools.islice(left, window)):
        ready = lm.prepare(texts, settings)
        order = sorted(range(len(ready)), key=lambda place: (ready[place].max_new_tokens, len(ready[place].ids)))
        generations = generate(lm.decoder(settings), [ready[place] for place in order], clock)
        lines: dict[int, list[str]] = {}
        for number, generation in enumerate(generations):
            settings = dataclasses.replace(settings, seed=generation.seed)  # a drawn one serves all windows
            lines.setdefault(order[number // settings.num_return], []).append(line_of(generation))
        part.append([line for place in range(len(ready)) for line in lines[place]], len(ready), settings.seed)
        yield len(ready)
    part.finish()


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < 2**63


def request_of(settings: Settings, **others: Any) -> dict[str, Any]:
    """What makes results differ, as JSON has it: settings (but for the batch size) and what the caller adds."""
    values = dataclasses.asdict(settings) | others
    del values["batch_size"]
    request: dict[str, Any] = json.loads(json.dumps(values))
    return request
