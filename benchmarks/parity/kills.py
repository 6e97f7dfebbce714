"""A small run killed (SIGKILL) at random moments, again and again, and resumed after each: is the end the same?

    python -m benchmarks.parity.kills --kills 40

Each kill falls anywhere in the first seconds of a process, so that some hit the reading of the data, the import of
Keras, the compilation, a step, or the writing of a checkpoint.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import turns

CONFIG = """
model:
  from_scratch: {layers: 2, heads: 2, width: 64}
  sequence_length: 32
data: {source: samples/couplets, validation: 0.1, batching: pad}
train: {steps: 20000, batch_size: 8, learning_rate: 1.0e-3, validate_every: 500, checkpoint_every: 50, seed: 5}
"""


def main() -> None:
    """Prints one JSON object; exit status 1 where the weights differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=24, help="the longest life of a process that is killed")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as root:
        config = Path(root) / "small.yaml"
        config.write_text(CONFIG, "utf-8")
        command = [sys.executable, "-m", "kgpt2", "fit", str(config), "--resume", "--out"]
        killed, whole = Path(root) / "killed", Path(root) / "whole"
        subprocess.run([*command, str(whole)], check=True, capture_output=True)
        steps = []
        for _ in range(options.kills):
            process = subprocess.Popen([*command, str(killed)], stderr=subprocess.PIPE, text=True)
            try:
                process.wait(draw.uniform(0, options.seconds))
            except subprocess.TimeoutExpired:
                process.kill()
            went_on = re.search(r"going on from step ([\d,]+)", process.communicate()[1])
            steps.append(int(went_on[1].replace(",", "")) if went_on else 0)
            print(f"resumed from {steps[-1]}, ended with {process.returncode}", file=sys.stderr)
        subprocess.run([*command, str(killed)], check=True, capture_output=True)
        equal = same_files(whole, killed)
    print(json.dumps({**turns.machine(), "kills": options.kills, "resumed_from": steps, "equal": equal}, indent=2))
    raise SystemExit(not all(equal.values()))


def same_files(one: Path, other: Path) -> dict[str, bool]:
    """Whether two runs end with the same weights, metrics and last checkpoint (but for rates and times)."""
    import h5py

    def weights(folder: Path) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        with h5py.File(folder / "preset" / "model.weights.h5") as file:
            file.visititems(
                lambda name, item: found.update({name: item[()].tobytes()}) if hasattr(item, "shape") else None
            )
        return found

    def state(folder: Path) -> list[bytes]:
        newest = max((folder / "checkpoints").glob("step-*"))
        with np.load(newest / "state.zip") as archive:
            return [archive[name].tobytes() for name in archive.files]

    def metrics(folder: Path) -> list[str]:
        return [line.rsplit(",", 1)[0] for line in (folder / "metrics.csv").read_text("utf-8").splitlines()]

    return {read.__name__: read(one) == read(other) for read in (weights, state, metrics)}


if __name__ == "__main__":
    main()
