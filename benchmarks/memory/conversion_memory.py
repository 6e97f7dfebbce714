"""How much memory and time does `kgpt2 convert` take for a model of a given size?

Writes a checkpoint with random weights in one layout, converts it in a process of its own, and reports that process'
greatest memory (resident, mapped files included; Linux) against the size of the model. Needs disk for two copies:

    python -m benchmarks.memory.conversion_memory --size xl --layout safetensors
"""

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.pytorch import write_vocabulary
from kgpt2.checkpoints.formats.safetensors_file import write_safetensors
from kgpt2.checkpoints.shape import Shape
from kgpt2.checkpoints.tensors import DTYPES

# layers, heads, width
SIZES = {"tiny": (2, 2, 32), "base": (12, 12, 768), "medium": (24, 16, 1024), "xl": (48, 25, 1600)}
VOCABULARY = 21_128
IMPORTS = "import kgpt2.checkpoints.names, kgpt2.conversion.convert, rich.progress, click"
# Not getrusage: its ru_maxrss survives exec, so it would count the memory of the process that started this one.
PEAK = "print(next(1024 * int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM')))"


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="base")
    parser.add_argument("--layout", choices=("safetensors", "bin"), default="safetensors")
    parser.add_argument("--to", choices=("keras", "transformers"), default="keras")
    parser.add_argument("--folder", help="where to work; default: the system's temporary folder")
    options = parser.parse_args()
    layers, heads, width = SIZES[options.size]
    shape = Shape(VOCABULARY, layers, heads, width, 4 * width, 1024, 0.1)
    with tempfile.TemporaryDirectory(dir=options.folder) as root:
        source, target = Path(root) / "source", Path(root) / "target"
        write_checkpoint(source, shape, options.layout)
        command = [sys.executable, "-c", f"{convert(source, target, options.to)}\n{PEAK}"]
        began = time.perf_counter()
        peak = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        seconds = time.perf_counter() - began
        command[-1] = f"{IMPORTS}\n{PEAK}"
        baseline = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        sizes = [4 * int(np.prod(size)) for size in shape.tensors().values()]
        report = {
            "machine": platform.machine(),
            "size": options.size,
            "layout": options.layout,
            "to": options.to,
            "model_mb": sum(sizes) / 1e6,
            "largest_tensor_mb": max(sizes) / 1e6,
            "imports_mb": baseline / 1e6,
            "peak_above_imports_mb": (peak - baseline) / 1e6,
            "limit_mb": (sum(sizes) + max(sizes)) / 1e6,
            "seconds": seconds,
        }
        print(json.dumps({key: round(v, 1) if isinstance(v, float) else v for key, v in report.items()}))
        shutil.rmtree(target)


def convert(source: Path, target: Path, to: str) -> str:
    """The program that is measured."""
    return (
        f"{IMPORTS}; from pathlib import Path; "
        f"kgpt2.conversion.convert.convert(kgpt2.checkpoints.names.read_model({str(source)!r}), "
        f"Path({str(target)!r}), {to!r})"
    )


def write_checkpoint(folder: Path, shape: Shape, layout: str) -> None:
    """A UER-like folder; for .bin PyTorch is needed, and memory for the whole model."""
    folder.mkdir()
    write_vocabulary(folder, VOCABULARY)
    config = {"model_type": "gpt2", "vocab_size": VOCABULARY, "n_layer": shape.num_layers, "n_head": shape.num_heads}
    (folder / "config.json").write_text(json.dumps({**config, "n_embd": shape.hidden_dim}))
    rng = np.random.default_rng(0)
    arrays = ((f"transformer.{k}", rng.normal(0, 0.02, v).astype("<f4")) for k, v in shape.tensors().items())
    if layout == "safetensors":
        shapes = {f"transformer.{name}": (size, DTYPES["float32"]) for name, size in shape.tensors().items()}
        write_safetensors(folder / "model.safetensors", shapes, arrays)
    else:
        import torch

        state = {name: torch.from_numpy(array) for name, array in arrays}
        torch.save({**state, "lm_head.weight": state["transformer.wte.weight"]}, folder / "pytorch_model.bin")


if __name__ == "__main__":
    main()
