"""Greedy tokens of kgpt2 and of transformers, one by one: 100 prompts x 5 settings on random weights of base shape.

Where the two differ, the step is excused and counted if transformers' two best scores lie within 1e-4 of each other,
and the rest of the row is not compared, since the texts are different ones from there on.

    python -m benchmarks.parity.parity --prompts 100 --new-tokens 24
"""

import argparse
import json
import platform
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.speed.generation import VOCABULARY, write_models

TOLERANCE, BATCH = 1e-4, 25
SETTINGS = {
    "plain": ({}, {}),
    "no_repeat_ngram": ({"no_repeat_ngram": 2}, {"no_repeat_ngram_size": 2}),
    "repetition_penalty": ({"repetition_penalty": 1.3}, {"repetition_penalty": 1.3}),
    "bans": ({"default_bans": True}, {"suppress_tokens": True}),
    "all": (
        {"default_bans": True, "no_repeat_ngram": 3, "repetition_penalty": 1.1, "min_new_tokens": 5},
        {"suppress_tokens": True, "no_repeat_ngram_size": 3, "repetition_penalty": 1.1, "min_new_tokens": 5},
    ),
}


def main() -> None:
    """Prints one JSON object."""
    import torch
    from transformers import AutoModelForCausalLM

    from kgpt2.checkpoints.names import read_model
    from kgpt2.config.settings import Settings
    from kgpt2.generation.decoder import Decoder
    from kgpt2.generation.generate import Clock, generate
    from kgpt2.generation.language_model import open_runtime
    from kgpt2.generation.rows import Prompt

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--new-tokens", type=int, default=24)
    parser.add_argument("--runtime", default="openvino", choices=("openvino", "keras"))
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as root:
        write_models(Path(root))
        checkpoint = read_model(f"{root}/model")
        codec, runtime = checkpoint.tokenizer, open_runtime(checkpoint, "float32", options.runtime).runtime
        network = AutoModelForCausalLM.from_pretrained(f"{root}/model", dtype=torch.float32).eval()
    # Prompts of a batch share a length, so that transformers needs no padding.
    lengths = np.repeat(rng.integers(2, 40, -(-options.prompts // BATCH)), BATCH)[: options.prompts]
    rows = [[codec.start_id, *rng.integers(104, VOCABULARY, length - 1).tolist()] for length in lengths]
    report = {}
    for name, (ours, theirs) in SETTINGS.items():
        settings = Settings(sampler="greedy", batch_size=BATCH, **{"default_bans": False, **ours})
        prompts = [Prompt("", row, options.new_tokens) for row in rows]
        results = [result.token_ids for result in generate(Decoder(runtime, codec, settings), prompts, Clock())]
        theirs = {**theirs, "suppress_tokens": list(codec.default_bans)} if "suppress_tokens" in theirs else theirs
        counts = {"tokens": 0, "excused": 0, "different": 0}
        for start in range(0, len(rows), BATCH):
            batch = torch.tensor(rows[start : start + BATCH])
            out = network.generate(
                batch,
                attention_mask=torch.ones_like(batch),
                do_sample=False,
                max_new_tokens=options.new_tokens,
                eos_token_id=codec.end_id,
                pad_token_id=codec.pad_id,
                output_scores=True,
                return_dict_in_generate=True,
                **theirs,
            )
            best = torch.stack(out.scores, 1).topk(2).values
            for number, sequence in enumerate(out.sequences.tolist()):
                lead = (best[number, :, 0] - best[number, :, 1]).tolist()
                compare(results[start + number], sequence, lead, batch.shape[1], codec.end_id, counts)
        report[name] = counts
    summary = {"machine": platform.machine(), "prompts": options.prompts, "new_tokens": options.new_tokens}
    print(json.dumps({**summary, "runtime": options.runtime, "settings": report}, indent=2))
    raise SystemExit(any(counts["different"] for counts in report.values()))


def compare(ours: list[int], theirs: list[int], lead: list[float], start: int, end_id: int, counts: dict) -> None:
    """Adds the steps of one row to the counts."""
    ours = [*ours, end_id]
    for position in range(start, len(theirs)):
        counts["tokens"] += 1
        if position >= len(ours) or ours[position] != theirs[position]:
            # A row that reached its length has no end token of ours behind it.
            counts["excused" if lead[position - start] < TOLERANCE else "different"] += 1
            return
        if theirs[position] == end_id:
            return


if __name__ == "__main__":
    main()
