"""A million rows out of Parquet, JSON lines and CSV: seconds to read them, and memory beyond the imports.

A row is a title of 4 characters and a text of 24, drawn at random; the text is read. Each round of each format is a
process of its own; the rounds are interleaved.

    python -m benchmarks.speed.parquet --rows 1000000 --rounds 3
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks import turns
from kgpt2.bench.environment import peak_memory

KINDS = ("parquet", "jsonl", "csv")
BLOCK = 50_000


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--read", metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        return print(json.dumps(read(options.read)))
    runs: dict[str, list[dict]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        files = {kind: Path(folder) / f"rows.{kind}" for kind in KINDS}
        write(files, options.rows)
        sizes = {kind: round(file.stat().st_size / 1e6) for kind, file in files.items()}
        for kind in KINDS * options.rounds:
            command = [sys.executable, "-m", __spec__.name, "--read", str(files[kind])]
            runs[kind].append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    report = turns.machine() | {"rows": options.rows}
    for kind, found in runs.items():
        seconds = [one["seconds"] for one in found]
        spread = {"median": statistics.median(seconds), "min": min(seconds), "max": max(seconds)}
        memory = max(one["memory_beyond_mb"] for one in found)
        report[kind] = {"file_mb": sizes[kind], "seconds": spread, "memory_beyond_mb": memory}
    print(json.dumps(report, ensure_ascii=False, indent=2))


def write(files: dict[str, Path], count: int) -> None:
    """The same rows in each format."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema({"title": pa.string(), "text": pa.string()})
    with (
        pq.ParquetWriter(files["parquet"], schema) as parquet,
        files["jsonl"].open("w", encoding="utf-8") as lines,
        files["csv"].open("w", encoding="utf-8", newline="") as table,
    ):
        rows = csv.writer(table)
        rows.writerow(["title", "text"])
        for titles, texts in blocks(count):
            parquet.write_table(pa.table({"title": titles, "text": texts}, schema))
            pairs = list(zip(titles, texts, strict=True))
            lines.writelines(json.dumps({"title": a, "text": b}, ensure_ascii=False) + "\n" for a, b in pairs)
            rows.writerows(pairs)


def blocks(count: int) -> Iterator[tuple[list[str], list[str]]]:
    """Titles and texts of Chinese characters."""
    rng = np.random.default_rng(count)
    for start in range(0, count, BLOCK):
        drawn = rng.integers(0x4E00, 0x4E00 + 3000, (min(BLOCK, count - start), 28), dtype=np.uint32)
        whole = drawn.astype("<u4").view("<U28").ravel().tolist()
        yield [one[:4] for one in whole], [one[4:] for one in whole]


def read(file: str) -> dict[str, float]:
    """Reads every text of a file."""
    import pyarrow.compute
    import pyarrow.parquet  # noqa: F401

    from kgpt2.data.example import Report
    from kgpt2.data.sources import open_source

    before, start = peak_memory() or 0, time.perf_counter()
    characters = sum(len(example.text) for example in open_source(file).read(Report()))
    seconds = time.perf_counter() - start
    assert characters % 24 == 0
    return {"seconds": round(seconds, 2), "memory_beyond_mb": round((peak_memory() or 0) - before)}


if __name__ == "__main__":
    main()
