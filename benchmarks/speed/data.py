"""From raw files to token batches: kgpt2 beside the article's route, on the same lines in the same run.

Tang verse goes from the collection's JSON to batches, cold and from the cache. Couplet lines go from a CSV to batches,
cold, and through the article's route: `datasets`, then the tokenizer called on batches of rows padded to 50 tokens.
Each run is a process of its own, with its imports timed apart; the rounds are interleaved.

    python -m benchmarks.speed.data --poetry FOLDER --couplets FILE.tsv.gz --vocabulary vocab.txt --rounds 3

FOLDER is a checkout of chinese-poetry; FILE.tsv.gz has the two sides of a couplet in its first two columns, under a
header; its lines are repeated up to --lines.
"""

import argparse
import gzip
import itertools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BATCH, WIDTH = 32, 50
TANG_WIDTH = 128
ROUTES = ("tang-cold", "tang-cached", "couplets-cold", "couplets-article")


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--poetry", required=True)
    parser.add_argument("--couplets", required=True)
    parser.add_argument("--vocabulary", required=True)
    parser.add_argument("--lines", type=int, default=600_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--run", choices=ROUTES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        return print(json.dumps(run(options.run, options)))
    runs: dict[str, list[dict]] = {route: [] for route in ROUTES}
    with tempfile.TemporaryDirectory() as root:
        options.couplets = write_csv(Path(root), options.couplets, options.lines)
        for route in ROUTES * options.rounds:
            if route.endswith("cold"):
                shutil.rmtree(f"{root}/cache", ignore_errors=True)
            runs[route].append(start(route, root, options))
    report = {"machine": f"{platform.machine()}, {os.cpu_count()} cores", "rounds": options.rounds}
    for route, results in runs.items():
        seconds = [result["seconds"] for result in results]
        report[route] = results[0] | {
            "seconds": round(statistics.median(seconds), 2),
            "range": [round(min(seconds), 2), round(max(seconds), 2)],
        }
    pairs = zip(runs["couplets-article"], runs["couplets-cold"], strict=True)
    report["ratio"] = round(statistics.median(one["seconds"] / other["seconds"] for one, other in pairs), 2)
    print(json.dumps(report, indent=2))


def write_csv(root: Path, source: str, count: int) -> str:
    """A CSV with one column `text1`, both sides and a space between."""
    with gzip.open(source, "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t")[:2] for line in file][1:]
    path = root / "couplets.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("text1\n")
        file.writelines(f"{up} {down}\n" for up, down in itertools.islice(itertools.cycle(rows), count))
    return str(path)


def start(route: str, root: str, options: argparse.Namespace) -> dict:
    """A route in a process of its own, its caches under `root`."""
    files = ["--poetry", options.poetry, "--couplets", options.couplets, "--vocabulary", options.vocabulary]
    environment = {**os.environ, "KGPT2_CACHE": f"{root}/cache", "HF_HOME": f"{root}/hub-{time.time_ns()}"}
    command = [sys.executable, "-m", __spec__.name, *files, "--run", route]
    result = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def run(route: str, options: argparse.Namespace) -> dict:
    """Goes through every batch of one epoch, and counts them."""
    if route == "couplets-article":
        return article(options)
    from kgpt2.checkpoints.bert_tokenizer import BertTokenizer
    from kgpt2.checkpoints.vocabulary import read_vocabulary
    from kgpt2.data.batches import Batches
    from kgpt2.data.sources import Options, open_source
    from kgpt2.data.splits import held_out
    from kgpt2.data.token_cache import tokenise
    from kgpt2.data.tokens import Selected

    began = time.perf_counter()
    tokenizer = BertTokenizer(read_vocabulary(Path(options.vocabulary)))
    if route.startswith("tang"):
        source = open_source("chinese_poetry/tang", Options(path=options.poetry, script="simplified"))
    else:
        source = open_source(options.couplets)
    width = TANG_WIDTH if route.startswith("tang") else WIDTH
    table = tokenise(source, tokenizer, strict=True).table
    rows = Selected(table, ~held_out(table.keys, 0.0, 0), width + 1)
    batches = Batches(rows, batch_size=BATCH, sequence_length=width, pad_id=tokenizer.pad_id, shuffle_seed=0)
    first = None
    targets = positions = 0
    for batch in batches.take(batches.per_epoch):
        first = first or time.perf_counter() - began
        targets += int(batch.target_mask.sum())
        positions += batch.targets.size
    return {
        "examples": len(rows),
        "batches": batches.per_epoch,
        "padding_fraction": round(1 - targets / positions, 4),
        "first_batch_seconds": round(first, 2),
        "seconds": time.perf_counter() - began,
    }


def article(options: argparse.Namespace) -> dict:
    """The article's way, on PyTorch tensors."""
    import torch
    from datasets import load_dataset
    from transformers import BertTokenizer

    began = time.perf_counter()
    tokenizer = BertTokenizer(options.vocabulary, do_lower_case=False)
    data = load_dataset("csv", data_files=options.couplets, split="train")

    def tokenised(rows):
        return tokenizer(rows["text1"], padding="max_length", truncation=True, max_length=WIDTH)

    data = data.map(tokenised, batched=True, remove_columns=data.column_names)
    data.set_format("torch", columns=["input_ids", "attention_mask"])
    first = None
    tokens = positions = count = 0
    for batch in torch.utils.data.DataLoader(data, batch_size=BATCH, shuffle=True):
        first = first or time.perf_counter() - began
        count += 1
        tokens += int(batch["attention_mask"].sum())
        positions += batch["input_ids"].numel()
    return {
        "examples": len(data),
        "batches": count,
        "padding_fraction": round(1 - tokens / positions, 4),
        "first_batch_seconds": round(first, 2),
        "seconds": time.perf_counter() - began,
    }


if __name__ == "__main__":
    main()
