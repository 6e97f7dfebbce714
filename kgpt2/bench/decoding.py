"""The route of kgpt2's own engine: calls of any sampler, batch and length, timed one by one."""

import time
from typing import TypedDict

from kgpt2.bench.drawn import drawn_prompts
from kgpt2.bench.environment import device, forget_peak, peak_memory
from kgpt2.bench.reply import timed
from kgpt2.bench.turns import Answer, Request
from kgpt2.checkpoints.names import read_model
from kgpt2.config.settings import Settings, changed
from kgpt2.generation.generate import Clock, generate
from kgpt2.generation.language_model import LanguageModel, open_runtime
from kgpt2.generation.rows import Prompt


class Call(TypedDict):
    """A call: its seconds and those of compiling before it, and how many tokens were written."""

    seconds: float
    compile_seconds: float
    new_tokens: int


class WarmUp(TypedDict):
    """The first calls: what they compiled, the time to the first token, memory, and where they ran."""

    compile_seconds: float
    first_token_seconds: float
    peak_memory_mb: float | None
    device: str


def prepare(route: str, model: str, dtype: str, runtime: str, **shape: int) -> Answer:
    """Loads a model.

    Args:
        route: "engine": requests are for `warm_up` and `call`; "engine-generate": each is the same greedy call.
        model: any MODEL.
        dtype: as in `kgpt2.load`.
        runtime: as in `kgpt2.load`.
        **shape: batch, prompt_tokens and new_tokens of "engine-generate".
    """
    lm = open_runtime(read_model(model), dtype, runtime)
    if route == "engine-generate":
        return timed(lambda: call(lm, "greedy", **shape), shape["batch"] * shape["new_tokens"])

    def answer(request: Request) -> Call | WarmUp:
        first = request.pop("first", False)
        return warm_up(lm, **request) if first else call(lm, **request)

    return answer


def warm_up(lm: LanguageModel, sampler: str, batch: int, prompt_tokens: int, new_tokens: int) -> WarmUp:
    """The first call: what it compiled, the time of a later call that ends with the first token, and memory."""
    forget_peak()
    compiling = call(lm, sampler, batch, prompt_tokens, new_tokens)["compile_seconds"]
    one = [call(lm, sampler, batch, prompt_tokens, 1) for _ in range(4)]
    return {
        "compile_seconds": compiling,
        "first_token_seconds": sorted(first["seconds"] for first in one[1:])[1],
        "peak_memory_mb": peak_memory(),
        "device": device(),
    }


def call(lm: LanguageModel, sampler: str, batch: int, prompt_tokens: int, new_tokens: int) -> Call:
    """One call from prompts to texts: seconds apart from compiling, and how many tokens were written."""
    rows = drawn_prompts(lm.tokenizer, batch, prompt_tokens)
    prompts = [Prompt("", row, new_tokens) for row in rows]
    # The end token may not come: every call does the same work.
    rows_at_once = batch * Settings.beams if sampler == "beam" else batch
    settings = changed(Settings(min_new_tokens=new_tokens, batch_size=rows_at_once, seed=0), {"sampler": sampler})
    clock, began = Clock(), time.perf_counter()
    written = sum(one.new_tokens for one in generate(lm.decoder(settings), prompts, clock))
    seconds = time.perf_counter() - began - clock.startup
    return {"seconds": seconds, "compile_seconds": clock.startup, "new_tokens": written}
