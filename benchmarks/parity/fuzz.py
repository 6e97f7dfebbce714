"""Does any file of a stranger crash kgpt2, hang it, or fill the memory?

Valid files of every format that kgpt2 reads are damaged by dice, bytes and JSON values, and files are made whose
structure is the harm (`hostile.py`). Each is read in a forked process of its own, which an alarm ends. Prints one JSON
object: for each format how many were read and refused, the most seconds of the processor and the most memory beyond
what was there before, and what went wrong: a crash, a hang, too much memory, an exception that is no RequestError, an
error that does not name the file, has more than two lines or holds what a terminal obeys.

    python -m benchmarks.parity.fuzz --mutants 400
    python -m benchmarks.parity.fuzz --mutants 400 --format torch_zip --seed 7
"""

import argparse
import json
import os
import random
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.parity import fuzz_formats, hostile
from kgpt2.errors import RequestError

SECONDS = 5  # of the processor, so that a machine with other work gives the same answers
WAIT = 60  # of the clock
MEMORY = 1 << 30
READ, UNEXPECTED, REFUSED, UNCLEAR = range(4)


def main() -> None:
    """Prints one JSON object; exits with 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=400, help="of each format")
    parser.add_argument("--format", choices=fuzz_formats.FORMATS, action="append", help="repeatable; default: all")
    parser.add_argument("--structures", action="store_true", help="the hostile structures too")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ.setdefault("KERAS_BACKEND", "numpy")  # nothing is trained
    report: dict[str, Any] = {"seconds_allowed": SECONDS, "memory_allowed_mb": MEMORY >> 20, "formats": {}}
    with tempfile.TemporaryDirectory() as root:
        os.environ["KGPT2_CACHE"] = f"{root}/cache"
        for name in options.format or fuzz_formats.FORMATS:
            sample = fuzz_formats.FORMATS[name](Path(root) / name)
            report["formats"][name] = _account(_damaged(sample, options.mutants, options.seed), sample.read)
        if options.structures:
            for name, structure in hostile.STRUCTURES.items():
                folder = Path(root) / name
                report["formats"][name] = _account(iter([(name, folder)]), structure(folder))
    report["wrong"] = sum(len(one["wrong"]) for one in report["formats"].values())
    print(json.dumps(report, indent=2, ensure_ascii=False))
    sys.exit(bool(report["wrong"]))


def _damaged(sample: fuzz_formats.Sample, count: int, seed: int) -> Iterator[tuple[str, Path]]:
    """Puts one damaged file after the other in the place of the good one, and that back at last."""
    dice = random.Random(seed)
    for number in range(count):
        path = dice.choice(sample.files)
        good = path.read_bytes()
        path.write_bytes(fuzz_formats.damaged(good, path.suffix == ".json", dice))
        try:
            yield f"{path.name} {number}", sample.folder
        finally:
            path.write_bytes(good)


def _account(cases: Iterator[tuple[str, Path]], read: Callable[[], None]) -> dict[str, Any]:
    counts, seconds, memory, wrong = [0, 0, 0, 0], 0.0, 0, []
    for name, folder in cases:
        status, told, took, peak = _forked(read, folder)
        seconds, memory = max(seconds, took), max(memory, peak)
        if status in (READ, REFUSED) and peak <= MEMORY:
            counts[status] += 1
        else:
            wrong.append(f"{name}: {told or f'signal {-status}'} ({peak >> 20} MB)")
    return {
        "read": counts[READ],
        "refused": counts[REFUSED],
        "most_seconds": round(seconds, 2),
        "most_mb": memory >> 20,
        "wrong": wrong,
    }


def _forked(read: Callable[[], None], folder: Path) -> tuple[int, str, float, int]:
    """What came of reading in a process of its own (minus the signal that ended it), its message, seconds and bytes."""
    out, into = os.pipe()
    if not (child := os.fork()):
        os.close(out)
        os.write(into, f"{Path('/proc/self/statm').read_text().split()[1]}\n".encode())
        signal.alarm(WAIT)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        status, told = _outcome(read, folder)
        os.write(into, told.encode("utf-8", "replace")[:2000])
        os._exit(status)
    os.close(into)
    _, ended, usage = os.wait4(child, 0)
    with open(out, encoding="utf-8", errors="replace") as file:
        before, told = int(file.readline()) * resource.getpagesize(), file.read()
    peak = max(0, (usage.ru_maxrss << 10) - before)
    return os.waitstatus_to_exitcode(ended), told, usage.ru_utime + usage.ru_stime, peak


def _outcome(read: Callable[[], None], folder: Path) -> tuple[int, str]:
    try:
        read()
    except RequestError as error:
        message = str(error)
        lines = message.split("\n")
        clear = str(folder) in message and len(lines) <= 2 and all(line.isprintable() for line in lines)
        return REFUSED if clear and len(message) < 2000 else UNCLEAR, message
    except BaseException as error:  # whatever it is, it is what is looked for
        return UNEXPECTED, repr(error)
    return READ, ""


if __name__ == "__main__":
    main()
