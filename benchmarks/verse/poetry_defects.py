"""What cleaning makes of the real chinese-poetry collection: rows, kept, dropped and mended, part by part.

FOLDER is the collection in the layout of its repository or of its npm package.

    python -m benchmarks.verse.poetry_defects FOLDER > benchmarks/records/poetry_defects.json
"""

import argparse
import collections
import json
import platform
import resource
import time
from pathlib import Path

from kgpt2.data.example import Report
from kgpt2.data.poetry.collection import open_poetry
from kgpt2.data.poetry.shelves import PARTS
from kgpt2.errors import RequestError


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    parts = {}
    for part in PARTS:
        try:
            parts[part] = measure(options.folder, part)
        except RequestError as error:
            parser.error(str(error))
    result = {
        "python": platform.python_version(),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "parts": parts,
    }
    print(json.dumps(result, indent=2))


def measure(folder: Path, part: str) -> dict:
    """The account of one part, converted to simplified characters; seconds are of the clock."""
    report = Report()
    start = time.perf_counter()
    # Only the sizes of the groups are kept, so that the memory is the reader's.
    groups = collections.Counter(example.group for example in open_poetry(folder, part, "simplified").read(report))
    seconds = time.perf_counter() - start
    kept, dropped = groups.total(), {reason: count for reason, count in report.dropped.most_common() if count}
    return {
        "rows": kept + sum(dropped.values()),
        "kept": kept,
        "dropped": dropped,
        "cleaned": dict(report.cleaned.most_common()),
        "families_of_variants": sum(size > 1 for size in groups.values()),
        "poems_in_them": sum(size for size in groups.values() if size > 1),
        "largest_family": max(groups.values()),
        "seconds": round(seconds, 2),
    }


if __name__ == "__main__":
    main()
