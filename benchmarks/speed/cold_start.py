"""Whole processes, from start to the first token: kgpt2 beside the tutorials' scripts for transformers and KerasHub.

A gpt2-base-sized UER-like folder with random weights, one prompt, one new token, sampled. The processes run in turn,
with the disk warm and kgpt2's compiled model in its cache (the round before the first fills it); medians of the rounds.

    python -m benchmarks.speed.cold_start --rounds 5
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.memory.conversion_memory import SIZES, VOCABULARY, write_checkpoint
from kgpt2.checkpoints.shape import Shape

PROMPT = "春满神州"
TRANSFORMERS = """
from transformers import AutoModelForCausalLM, BertTokenizer
model = AutoModelForCausalLM.from_pretrained({folder!r})
ids = BertTokenizer.from_pretrained({folder!r})({prompt!r}, return_tensors="pt").input_ids[:, :-1]
model.generate(ids, do_sample=True, top_k=50, max_new_tokens=1, pad_token_id=0)
"""
KERASHUB = """
import kgpt2.models, keras_hub
model = keras_hub.models.CausalLM.from_preset({preset!r})
model.compile(sampler="top_k")
model.generate({prompt!r}, max_length=len({prompt!r}) + 2)
"""


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    layers, heads, width = SIZES["base"]
    with tempfile.TemporaryDirectory() as root:
        folder, preset = f"{root}/model", f"{root}/preset"
        write_checkpoint(Path(folder), Shape(VOCABULARY, layers, heads, width, 4 * width, 1024, 0.1), "safetensors")
        kgpt2 = [sys.executable, "-m", "kgpt2"]
        subprocess.run([*kgpt2, "convert", folder, preset], check=True, capture_output=True)
        generate = [*kgpt2, "generate", PROMPT, "--model", folder, "--sampler", "top_k", "--max-new-tokens", "1"]
        names = {"folder": folder, "preset": preset, "prompt": PROMPT}
        commands = {
            "transformers": [sys.executable, "-c", TRANSFORMERS.format(**names)],
            "kerashub": [sys.executable, "-c", KERASHUB.format(**names)],
            "kgpt2-float32": generate,
            "kgpt2-int8": [*generate, "--dtype", "int8"],
        }
        environment = {**os.environ, "KGPT2_CACHE": f"{root}/cache"}
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(options.rounds + 1):
            for name, command in commands.items():
                began = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True, env=environment)
                if number:
                    seconds[name].append(time.perf_counter() - began)
    report = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "rounds": options.rounds,
        "seconds": {name: round(statistics.median(values), 2) for name, values in seconds.items()},
        "range": {name: [round(min(values), 2), round(max(values), 2)] for name, values in seconds.items()},
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
