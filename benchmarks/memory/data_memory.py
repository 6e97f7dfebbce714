"""Memory while a text file is tokenised and batched, as the file grows: each size in a process of its own.

Lines are random verse of 5 + 5 characters; the model's vocabulary is counted from the first file.

    python -m benchmarks.memory.data_memory --lines 100000,1000000,10000000
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", default="100000,1000000,10000000")
    parser.add_argument("--serve", nargs=2, metavar=("FILE", "VOCABULARY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(*map(Path, options.serve))
    rows = []
    with tempfile.TemporaryDirectory() as root:
        vocabulary = Path(root) / "vocab.txt"
        characters = [chr(0x4E00 + index) for index in range(3000)]
        vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "-", *characters]), "utf-8")
        for count in map(int, options.lines.split(",")):
            path = Path(root) / f"{count}.txt"
            write_lines(path, count)
            environment = {**os.environ, "KGPT2_CACHE": f"{root}/cache"}
            command = [sys.executable, "-m", __spec__.name, "--serve", str(path), str(vocabulary)]
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
            rows.append({"lines": count, "file_mb": round(path.stat().st_size / 1e6)} | json.loads(done.stdout))
            path.unlink()
    print(json.dumps({"machine": f"{platform.machine()}, {os.cpu_count()} cores", "rows": rows}, indent=2))


def write_lines(path: Path, count: int) -> None:
    """Lines that are all different, nearly always."""
    rng = np.random.default_rng(count)
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, count, 100_000):
            block = rng.integers(0x4E00, 0x4E00 + 3000, (min(100_000, count - start), 10), dtype=np.uint32)
            lines = block.astype("<u4").view("<U10").ravel()
            file.writelines(f"{line[:5]}-{line[5:]}\n" for line in lines)


def serve(path: Path, vocabulary: Path) -> None:
    """Tokenises a file and draws batches, and prints how much memory it took beyond the imports."""
    from kgpt2.checkpoints.bert_tokenizer import BertTokenizer
    from kgpt2.checkpoints.vocabulary import read_vocabulary
    from kgpt2.data.batches import Batches
    from kgpt2.data.sources import open_source
    from kgpt2.data.splits import held_out
    from kgpt2.data.token_cache import tokenise
    from kgpt2.data.tokens import Selected

    before, peak, finished = anonymous_mb(), [0.0], threading.Event()

    def watch():
        while not finished.wait(0.02):
            peak[0] = max(peak[0], anonymous_mb() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    tokenizer = BertTokenizer(read_vocabulary(vocabulary))
    table = tokenise(open_source(str(path)), tokenizer, strict=True).table
    tokenised, reading = time.perf_counter() - began, peak[0]
    rows = Selected(table, ~held_out(table.keys, 0.01, 0), 33)
    batches = Batches(rows, batch_size=32, sequence_length=32, pad_id=0, shuffle_seed=0)
    for _ in batches.take(2000):
        pass
    finished.set()
    watcher.join()
    report = {"tokenise_seconds": round(tokenised, 1), "reading_mb": round(reading), "peak_mb": round(peak[0])}
    print(json.dumps(report))


def anonymous_mb() -> float:
    """Memory that is the process's own: files it has mapped can be let go at any time."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
