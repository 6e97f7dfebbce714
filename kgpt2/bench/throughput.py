"""Tokens per second of a model by sampler, batch, length, dtype and runtime."""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypedDict

from kgpt2.bench.routes import start
from kgpt2.bench.turns import Route, Spread, paired_ratio, spread

if TYPE_CHECKING:
    from kgpt2.bench.decoding import Call, WarmUp


@dataclasses.dataclass(frozen=True)
class Case:
    """What one row of the table measures.

    Attributes:
        sampler: with the other settings at their defaults.
        batch: rows computed at a time.
        prompt_tokens: of each row, the start token included.
        new_tokens: that each row writes; the end token is kept away.
    """

    sampler: str
    batch: int
    prompt_tokens: int
    new_tokens: int


class Row(TypedDict):
    """What a route did with a case.

    Its settings; the seconds of loading and compiling; the median of three first tokens; rates over the rounds, where a
    token of every row of the batch is one step; None where greedy was not measured or the system tells no memory.
    """

    sampler: str
    batch: int
    prompt_tokens: int
    new_tokens: int
    dtype: str
    runtime: str
    startup_seconds: float
    first_token_seconds: float
    tokens_per_second: Spread
    milliseconds_per_token: Spread
    relative_to_greedy: float | None
    peak_memory_mb: float | None


def measure(
    model: str,
    cases: Sequence[Case],
    routes: Sequence[tuple[str, str]],
    rounds: int,
    tick: Callable[[str], None] = lambda what: None,
) -> tuple[list[Row], str]:
    """Measures cases on routes; each route is a process of its own, and the rounds are interleaved.

    Args:
        model: any MODEL.
        cases: what to measure.
        routes: pairs of dtype and runtime ("openvino" or "keras").
        rounds: of each case, after the calls that warm up.
        tick: is told of each step, `steps` in all.

    Returns:
        A row for each route and case, and what the routes computed on.

    Raises:
        RequestError: the model, or a runtime, refused.
        WorkError: a route failed.
    """
    with contextlib.ExitStack() as stack:
        servers: list[Route] = []
        firsts: dict[tuple[int, Case], WarmUp] = {}
        calls: dict[tuple[int, Case], list[Call]] = {}
        for dtype, runtime in routes:
            tick(f"{dtype} on {runtime}: loading")
            servers.append(stack.enter_context(start("engine", model=model, dtype=dtype, runtime=runtime)))
        jobs = [(number, case) for number in range(len(routes)) for case in cases]
        for number, case in jobs:
            tick(f"{case.sampler}, batch {case.batch}: warming up")
            firsts[number, case] = servers[number].ask(first=True, **dataclasses.asdict(case))
            calls[number, case] = []
        for _ in range(rounds):
            for number, case in jobs:
                tick(f"{case.sampler}, batch {case.batch}")
                calls[number, case].append(servers[number].ask(**dataclasses.asdict(case)))
    rates = {job: [call["new_tokens"] / call["seconds"] for call in done] for job, done in calls.items()}
    rows: list[Row] = []
    for number, case in jobs:
        (dtype, runtime), first, own = routes[number], firsts[number, case], rates[number, case]
        greedy = rates.get((number, dataclasses.replace(case, sampler="greedy")))
        rows.append(
            {
                "sampler": case.sampler,
                "batch": case.batch,
                "prompt_tokens": case.prompt_tokens,
                "new_tokens": case.new_tokens,
                "dtype": dtype,
                "runtime": runtime,
                "startup_seconds": servers[number].startup + first["compile_seconds"],
                "first_token_seconds": first["first_token_seconds"],
                "tokens_per_second": spread(own),
                "milliseconds_per_token": spread([1000 * case.batch / rate for rate in own]),
                "relative_to_greedy": paired_ratio(own, greedy) if greedy else None,
                "peak_memory_mb": first["peak_memory_mb"],
            }
        )
    return rows, firsts[jobs[0]]["device"]


def steps(cases: Sequence[Case], routes: Sequence[tuple[str, str]], rounds: int) -> int:
    """How many ticks `measure` gives.

    Example:
        >>> steps([Case("greedy", 1, 8, 32)], [("float32", "openvino")], rounds=3)
        5
    """
    return len(routes) * (1 + len(cases) * (1 + rounds))
