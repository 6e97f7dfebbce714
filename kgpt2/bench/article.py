"""The Keras tutorial's measurement, repeated and taken apart.

The tutorial (GPT2 text generation with KerasNLP) times its first `generate` with `time.time()` and divides 200, the
length it asked for, by it: 22.81 s, "8.77 tokens/s". After fine-tuning it does so again: 9 s, "22 tokens/s". Both calls
are the first of a program that has just been thrown away, so both compile; and 200 counts the prompt, and tokens that
were never written where the text ended before.
"""

import time
from collections.abc import Callable, Sequence
from typing import TypedDict

from kgpt2.bench.environment import device
from kgpt2.bench.routes import start
from kgpt2.bench.throughput import Case, Row, measure
from kgpt2.bench.turns import Answer, Request
from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.checkpoints.names import read_model
from kgpt2.generation.language_model import choose_runtime

# The tutorial's prompts, for English and for Chinese, and its length.
ENGLISH, CHINESE, LENGTH = "My trip was", "春眠不觉晓", 200
CALLS = ("first", "again", "after compile()", "again after it")
ROUNDS = 3
STEPS = 2 + len(CALLS) + 2 + ROUNDS


class Generated(TypedDict):
    """A call of generate as the route times it; the length counts the prompt."""

    seconds: float
    length: int
    prompt_tokens: int
    new_tokens: int
    device: str


class Call(Generated):
    """A call by its name, with the tokens/s that the tutorial would claim, the real ones, and what compiling took."""

    call: str
    claimed_tokens_per_second: float
    tokens_per_second: float
    compiling_share: float


class Article(TypedDict):
    """The tutorial's calls, and what they say."""

    prompt: str
    load_seconds: float
    calls: list[Call]
    findings: list[str]


class TakenApart(TypedDict):
    """The tutorial's calls, and kgpt2's own on the same prompt's length as `throughput.measure` gives them."""

    article: Article
    rows: list[Row]


def take_apart(model: str, checkpoint: Checkpoint, tick: Callable[[str], None]) -> tuple[TakenApart, str]:
    """Runs the tutorial's calls through KerasHub, and then kgpt2's engine on the same prompt's length.

    Returns:
        Both, and what they computed on.

    Raises:
        RequestError: the model refused.
        WorkError: a process failed.
    """
    tick("KerasHub: loading")
    answers: list[Generated] = []
    with start("article", model=model) as server:
        for name in CALLS:
            tick(f"KerasHub: {name}")
            answers.append(server.ask(anew=name.startswith("after")))
        load = server.startup
    calls = _calls(answers)
    prompt = calls[0]["prompt_tokens"]
    case = Case("top_k", 1, prompt, calls[0]["length"] - prompt)
    rows, where = measure(model, [case], [("float32", choose_runtime("float32", "auto"))], ROUNDS, tick)
    article: Article = {
        "prompt": _prompt(checkpoint),
        "load_seconds": load,
        "calls": calls,
        "findings": _findings(calls, rows[0], where),
    }
    return {"article": article, "rows": rows}, where


def _calls(answers: Sequence[Generated]) -> list[Call]:
    warm = min(answer["seconds"] for answer in answers)
    return [
        {
            "call": name,
            **answer,
            "claimed_tokens_per_second": answer["length"] / answer["seconds"],
            "tokens_per_second": answer["new_tokens"] / answer["seconds"],
            "compiling_share": max(0.0, 1 - warm / answer["seconds"]),
        }
        for name, answer in zip(CALLS, answers, strict=True)
    ]


def _findings(calls: Sequence[Call], row: Row, where: str) -> list[str]:
    first, again, after, last = calls
    rate = row["tokens_per_second"]["median"]
    return [
        f"The first call claims {first['claimed_tokens_per_second']:.2f} tokens/s; {first['compiling_share']:.0%} of "
        f"its {first['seconds']:.2f} s was compiling. The same call again takes {again['seconds']:.2f} s.",
        f"compile(), which every fine-tuning calls, throws the compiled program away: the next call takes "
        f"{after['seconds']:.2f} s, {after['compiling_share']:.0%} of it compiling, and the one after that "
        f"{last['seconds']:.2f} s.",
        f"The tutorial divides {first['length']} by the seconds. The prompt is {first['prompt_tokens']} of these, and "
        f"{first['new_tokens']} tokens were written: {again['tokens_per_second']:.2f} tokens/s when warm.",
        f"kgpt2 writes {rate:.1f} tokens/s here ({row['runtime']}, {where}), "
        f"{rate / again['tokens_per_second']:.1f} times as many, and is ready in {row['startup_seconds']:.2f} s.",
    ]


def prepare(route: str, model: str) -> Answer:
    """The tutorial's task, as KerasHub has it: its default sampler, its own generate.

    Args:
        route: its name.
        model: any MODEL.
    """
    from kgpt2.bench.kerashub import load_with_keras_hub

    checkpoint = read_model(model)
    task = load_with_keras_hub(checkpoint)
    codec, prompt = checkpoint.tokenizer, _prompt(checkpoint)
    width = 1 + len(codec.encode(prompt))
    length = min(LENGTH, checkpoint.shape.max_sequence_length)

    def answer(request: Request) -> Generated:
        if request["anew"]:
            task.compile(sampler="top_k")
        began = time.time()
        text = task.generate(prompt, max_length=length)
        seconds = time.time() - began
        new = max(0, len(codec.encode(text)) + 1 - width)
        return {"seconds": seconds, "length": length, "prompt_tokens": width, "new_tokens": new, "device": device()}

    return answer


def _prompt(checkpoint: Checkpoint) -> str:
    return CHINESE if checkpoint.is_chinese else ENGLISH
