"""Tokens per second, side by side: transformers, KerasHub, CTranslate2, llama.cpp and kgpt2 on the same weights.

Random weights in GPT-2 base shape (12 layers, 12 heads, 768) over a vocabulary of 21,128; greedy, from a prompt of 8
tokens to 200, no end token. Each route runs in a process of its own that loads, warms up and then waits for its turn,
so that the rounds are interleaved; the figures are medians of the rounds, start-up apart. Routes whose package is not
installed are left out.

    python -m benchmarks.speed.generation --rounds 5
    python -m benchmarks.speed.generation --batch 32 --routes transformers,kgpt2-float32,ctranslate2-float32
    python -m benchmarks.speed.generation --total 1024 --routes kerashub-jax,loop-jax
"""

import argparse
import importlib.util
import json
import os
import tempfile
import time
from pathlib import Path

from benchmarks import pytorch, turns

VOCABULARY, PROMPT, TOTAL = 21_128, 8, 200
NEEDS = {
    "transformers": "transformers",
    "kerashub-tensorflow": "keras_hub",
    "kerashub-jax": "jax",
    "task-tensorflow": "keras_hub",
    "task-jax": "jax",
    "ctranslate2-float32": "ctranslate2",
    "ctranslate2-int8": "ctranslate2",
    "llama.cpp-f32": "llama_cpp",
    "llama.cpp-q8_0": "llama_cpp",
    "kgpt2-float32": "openvino",
    "kgpt2-bfloat16": "openvino",
    "kgpt2-int8": "openvino",
    "kgpt2-int4": "openvino",
    "kgpt2-float32-processors": "openvino",
    "loop-tensorflow": "keras_hub",
    "loop-jax": "jax",
    "loop-jax-processors": "jax",
}


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--total", type=int, default=TOTAL, help="tokens of a row at its end")
    parser.add_argument("--root", help=argparse.SUPPRESS)
    options = turns.options_of(parser, NEEDS)
    if options.serve:
        return turns.serve(lambda: prepare(options))
    with tempfile.TemporaryDirectory() as root:
        write_models(Path(root))
        os.environ["KGPT2_CACHE"] = f"{root}/cache"
        routes = [route for route in options.routes.split(",") if importlib.util.find_spec(NEEDS[route])]
        arguments = ["--root", root, "--batch", str(options.batch), "--total", str(options.total)]
        found = turns.take_turns(
            __spec__.name, {route: environment(route) for route in routes}, arguments, options.rounds
        )
    report = {
        **turns.machine(),
        "batch": options.batch,
        "prompt_tokens": PROMPT,
        "total_tokens": options.total,
        "rounds": options.rounds,
        "startup_seconds": found.startup,
        **turns.summarise(found.rates, "transformers" if "transformers" in found.rates else routes[0]),
    }
    print(json.dumps(report, indent=2))


def environment(route: str) -> dict[str, str]:
    """Keras reads its backend there."""
    return {"KERAS_BACKEND": route.split("-")[1]} if route.startswith(("kerashub", "task", "loop")) else {}


def prepare(options: argparse.Namespace):
    """Loads a route, warms it up, and gives a turn: one call."""
    call = ROUTES[options.serve.split("-")[0]](Path(options.root), options.serve, options.batch, options.total)
    call()

    def turn() -> float:
        began = time.perf_counter()
        call()
        return options.batch * (options.total - PROMPT) / (time.perf_counter() - began)

    return turn


def write_models(root: Path) -> None:
    """The same random weights as a Hugging Face folder, for CTranslate2, as GGUF and as a Keras preset."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, bos_token_id=101, eos_token_id=102))
    model.save_pretrained(root / "model")
    pytorch.write_vocabulary(root / "model", VOCABULARY)


def prompts(batch: int) -> list[list[int]]:
    """Rows of token ids, all different."""
    return [[101, *(200 + 7 * row + place for place in range(PROMPT - 1))] for row in range(batch)]


def with_transformers(root: Path, route: str, batch: int, total: int):
    """The tutorial's route."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(turns.THREADS)
    network = AutoModelForCausalLM.from_pretrained(root / "model", dtype=torch.float32).eval()
    ids = torch.tensor(prompts(batch))
    mask = torch.ones_like(ids)
    settings = {"do_sample": False, "max_length": total, "min_length": total, "eos_token_id": None, "pad_token_id": 0}
    return lambda: network.generate(ids, attention_mask=mask, **settings)


def with_keras(root: Path, route: str, batch: int, total: int):
    """A Keras task's generate on token ids: KerasHub's own ("kerashub"), and kgpt2's in its place ("task")."""
    import keras_hub
    import numpy as np

    import kgpt2.models as models
    from kgpt2.checkpoints.names import read_model

    task = models.load_task(read_model(str(root / "model")))
    task.compile(sampler="greedy")
    task.preprocessor = None
    if route.startswith("kerashub"):
        keras_hub.models.CausalLM.make_generate_function(task)
    ids = np.zeros((batch, total), "int32")
    ids[:, :PROMPT] = prompts(batch)
    mask = np.zeros_like(ids)
    mask[:, :PROMPT] = 1
    return lambda: task.generate({"token_ids": ids, "padding_mask": mask}, stop_token_ids=None)


def with_ctranslate2(root: Path, route: str, batch: int, total: int):
    """CTranslate2 with its own conversion of the same folder."""
    import ctranslate2
    from ctranslate2.converters import TransformersConverter

    kind = route.split("-")[1]
    folder = root / f"ctranslate2-{kind}"
    TransformersConverter(str(root / "model")).convert(str(folder), quantization=kind, force=True)
    # Its loader asks for names that a BERT tokenizer does not have.
    names = {"bos_token": "[CLS]", "eos_token": "[SEP]", "unk_token": "[UNK]"}
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | names))
    generator = ctranslate2.Generator(str(folder), device="cpu", compute_type=kind, intra_threads=turns.THREADS)
    tokens = (root / "model" / "vocab.txt").read_text("utf-8").split("\n")
    rows = [[tokens[index] for index in row] for row in prompts(batch)]
    settings = {"max_length": total, "min_length": total, "sampling_topk": 1, "include_prompt_in_result": True}
    return lambda: generator.generate_batch(rows, end_token=[], **settings)


def with_llama(root: Path, route: str, batch: int, total: int):
    """llama.cpp takes token ids; its file is written with a BPE vocabulary of the same size, which plays no part."""
    import llama_cpp
    from tokenizers.pre_tokenizers import ByteLevel

    from kgpt2.checkpoints.bpe_tokenizer import BpeTokenizer
    from kgpt2.checkpoints.names import read_model
    from kgpt2.checkpoints.tensors import DTYPES, read_all
    from kgpt2.conversion.gguf import write_gguf

    if batch > 1:
        raise SystemExit("one row at a time")
    checkpoint = read_model(str(root / "model"))
    names = [*sorted(ByteLevel.alphabet()), "<|endoftext|>", "ab"]
    names += [f"t{index}" for index in range(len(names), VOCABULARY)]
    stand_in = BpeTokenizer({name: index for index, name in enumerate(names)}, [("a", "b")])
    object.__setattr__(checkpoint, "tokenizer", stand_in)
    path = root / "model.gguf"
    with checkpoint.open_weights() as tensors:
        write_gguf(path, checkpoint, dict.fromkeys(tensors, DTYPES["float32"]), read_all(tensors, ""))
    if route.endswith("q8_0"):
        whole, path = path, root / "model-q8_0.gguf"
        settings = llama_cpp.llama_model_quantize_default_params()
        settings.ftype, settings.nthread = llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0, turns.THREADS
        if llama_cpp.llama_model_quantize(bytes(whole), bytes(path), settings):
            raise SystemExit("llama.cpp did not quantize")
    model = llama_cpp.Llama(str(path), n_ctx=256, n_threads=turns.THREADS, verbose=False)
    row = prompts(1)[0]

    def call():
        model.reset()
        model.eval(row)
        for _ in range(total - PROMPT):
            model.eval([model.sample(temp=0.0)])

    return call


def with_kgpt2(root: Path, route: str, batch: int, total: int):
    """kgpt2's engine on OpenVINO ("kgpt2"), and on the Keras backend ("loop")."""
    from kgpt2.checkpoints.names import read_model
    from kgpt2.config.settings import Settings
    from kgpt2.generation.generate import Clock, generate
    from kgpt2.generation.language_model import open_runtime
    from kgpt2.generation.rows import Prompt

    dtype, runtime = ("float32", "keras") if route.startswith("loop") else (route.split("-")[1], "openvino")
    lm = open_runtime(read_model(str(root / "model")), dtype, runtime)
    rows = [Prompt("", row, total - PROMPT) for row in prompts(batch)]
    everything = {"sampler": "top_p", "repetition_penalty": 1.1, "no_repeat_ngram": 3, "min_p": 0.01, "typical_p": 0.95}
    everything |= {"temperature": 0.8, "ban": ("春天",), "seed": 0}
    extra = everything if route.endswith("processors") else {"sampler": "greedy"}
    settings = Settings(min_new_tokens=total, batch_size=batch, **extra)
    return lambda: list(generate(lm.decoder(settings), rows, Clock()))


ROUTES = {
    "transformers": with_transformers,
    "kerashub": with_keras,
    "task": with_keras,
    "ctranslate2": with_ctranslate2,
    "llama.cpp": with_llama,
    "kgpt2": with_kgpt2,
    "loop": with_kgpt2,
}


if __name__ == "__main__":
    main()
