"""100,000 prompts from a file to a file: memory, order, and kills (SIGKILL) at random moments with --resume after each.

    python -m benchmarks.speed.bulk --prompts 100000 --kills 5

The model is tiny and random: what is measured is everything but the network. Memory is the greatest that a process
ever held (VmHWM), beside that of the same command with a hundredth of the prompts.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import turns

CHARACTERS = "春眠不觉晓处闻啼鸟夜来风雨声花落知多少白日依山尽黄河入海流"


def main() -> None:
    """Prints one JSON object; exit status 1 where a prompt is lost, doubled or out of order."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_model(root / "model")
        draw = random.Random(0)
        lines = ["".join(draw.choices(CHARACTERS, k=draw.randint(1, 20))) for _ in range(options.prompts)]
        few = lines[: options.prompts // 100]
        memory, seconds, _ = run(root, few, 0, draw)
        report = {**turns.machine(), "prompts": options.prompts, "kills": options.kills}
        report["few"] = {"prompts": len(few), "peak_mb": memory, "seconds": seconds}
        memory, seconds, _ = run(root, lines, 0, draw)
        report["all"] = {"peak_mb": memory, "seconds": seconds}
        undisturbed = (root / "out.jsonl").read_bytes()
        in_order = [json.loads(line)["prompt"] for line in undisturbed.splitlines()] == lines
        _, _, kills = run(root, lines, options.kills, draw, seconds)
        report["killed_after_seconds"] = kills
        report["in_order"] = in_order
        report["equal_after_kills"] = (root / "out.jsonl").read_bytes() == undisturbed
    print(json.dumps(report, indent=2))
    raise SystemExit(not (report["in_order"] and report["equal_after_kills"]))


def write_model(folder: Path) -> None:
    """One layer, width 16."""
    import kgpt2.models as models

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(CHARACTERS)]
    shape = {"layers": 1, "heads": 2, "width": 16, "sequence_length": 64, "dtype": "float32", "dropout": 0.0}
    models.save_preset(models.from_scratch(vocabulary, **shape), folder)


def run(root: Path, lines: list[str], kills: int, draw: random.Random, whole: float = 0) -> tuple[float, float, list]:
    """Writes out.jsonl; returns peak memory (MB), seconds, and when the kills came."""
    (root / "prompts.txt").write_text("\n".join(lines) + "\n", "utf-8")
    (root / "out.jsonl").unlink(missing_ok=True)
    command = [sys.executable, "-m", "kgpt2", "generate", "--model", root / "model", "--prompts", root / "prompts.txt"]
    command += ["--out", root / "out.jsonl", "--json", "--resume", "--max-new-tokens", "16", "--seed", "1"]
    when: list[float] = []
    while True:
        began, peak = time.perf_counter(), 0.0
        process = subprocess.Popen([str(part) for part in command], stderr=subprocess.DEVNULL)
        limit = draw.uniform(0, whole / (kills + 1) + 5) if len(when) < kills else float("inf")
        while process.poll() is None and time.perf_counter() - began < limit:
            peak = max(peak, peak_memory(process.pid))
            time.sleep(0.05)
        if process.poll() is not None:
            if process.returncode:
                raise SystemExit(f"the command failed with status {process.returncode}")
            return round(peak, 1), round(time.perf_counter() - began, 1), when
        process.send_signal(signal.SIGKILL)
        process.wait()
        when.append(round(limit, 1))


def peak_memory(pid: int) -> float:
    """In MB; 0 when the process has gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1e3 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


if __name__ == "__main__":
    main()
