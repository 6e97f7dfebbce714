"""kgpt2 beside PyTorch on the same weights: parity first, then speed, memory and start-up of both."""

import contextlib
import dataclasses
import functools
import operator
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from kgpt2.bench.routes import start
from kgpt2.bench.turns import Route, Spread, paired_ratio, spread
from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.checkpoints.hugging_face import HuggingFaceFolder
from kgpt2.conversion.convert import convert
from kgpt2.errors import RequestError

if TYPE_CHECKING:
    from kgpt2.bench.parity import Parity
    from kgpt2.bench.reply import Timed

CHECKS = ("weights", "logits", "loss", "greedy", "step")
TASKS = ("generate", "fit")
# The routes of each task by the side that they stand for, and the names of the sides.
SIDES = {"keras": "kgpt2", "torch": "PyTorch", "kerashub": "KerasHub"}
ROUTES = {
    "generate": {"keras": "engine-generate", "torch": "torch-generate", "kerashub": "kerashub-generate"},
    "fit": {"keras": "kgpt2-fit", "torch": "torch-fit", "kerashub": "kerashub-fit"},
}
PROMPT_TOKENS, FIT_BATCH, FIT_WIDTH, FIT_STEPS = 8, 10, 50, 1


@dataclasses.dataclass(frozen=True)
class Asked:
    """What is to be measured.

    Attributes:
        tasks: of `TASKS`.
        batches: rows of a call of generate.
        new_tokens: that each row writes, or as many as the context leaves.
        runtime: of kgpt2's generate: "openvino" or "keras".
        kerashub: KerasHub's own generate and fit as well.
        rounds: of each.

    Example:
        >>> Asked(["generate"], [1], 32, "keras", kerashub=False, rounds=3).sides
        ['keras', 'torch']
    """

    tasks: Sequence[str]
    batches: Sequence[int]
    new_tokens: int
    runtime: str
    kerashub: bool
    rounds: int

    @property
    def sides(self) -> list[str]:
        """Of `SIDES`; "torch" is what ratios are taken to."""
        return [side for side in SIDES if self.kerashub or side != "kerashub"]


class Check(TypedDict):
    """A comparison of the two sides: what was found, what is allowed, and whether that holds."""

    name: str
    found: float
    allowed: float
    holds: bool


class Side(TypedDict):
    """What a side did: its rate over the rounds, its ratio to PyTorch, and what it took to be ready and to work."""

    tokens_per_second: Spread
    ratio: float
    startup_seconds: float
    peak_memory_mb: float | None


def require_context(model: str, checkpoint: Checkpoint) -> None:
    """Raises RequestError where the context is too short for a prompt and something after it."""
    context = checkpoint.shape.max_sequence_length
    if context <= PROMPT_TOKENS:
        raise RequestError(f"{model}: a context of {context} tokens is too short to compare anything")


@contextlib.contextmanager
def transformers_folder(checkpoint: Checkpoint, against: str | None) -> Iterator[str]:
    """A folder that transformers loads: the one named, the checkpoint's own, or the same weights written out for it.

    Raises:
        RequestError: the folder that is named holds no such model, or one of another shape.
    """
    if against:
        from kgpt2.checkpoints.names import read_model

        other = read_model(against)
        if not isinstance(other, HuggingFaceFolder) or not other.is_for_transformers:
            raise RequestError(
                f"{against}: not a folder of transformers (`kgpt2 convert --to transformers` writes one)"
            )
        if other.shape.tensors() != checkpoint.shape.tensors():
            raise RequestError(f"{against}: another shape than the model's, their weights cannot be the same")
        yield str(other.folder)
    elif isinstance(checkpoint, HuggingFaceFolder) and checkpoint.is_for_transformers:
        yield str(checkpoint.folder)
    else:
        with tempfile.TemporaryDirectory() as root:
            convert(checkpoint, Path(root) / "model", to="transformers", dtype="float32")
            yield f"{root}/model"


def find_parity(model: str, folder: str, tick: Callable[[str], None]) -> "Parity":
    """What `parity` found, in one dictionary; a tick for loading and for each of `CHECKS`."""
    found = []
    tick("parity: loading")
    with start("parity", model=model, folder=folder) as server:
        for check in CHECKS:
            tick(f"parity: {check}")
            found.append(server.ask(check=check))
    together: Parity = functools.reduce(operator.or_, found)
    return together


def judge(parity: "Parity") -> list[Check]:
    """Each check with what was found, what is allowed, and whether that holds.

    float32 has seven digits: logits may differ by a ten-thousandth of the largest one, a weight after a step by a
    twentieth of the learning rate (where a gradient is nearly 0, Adam makes its rounding errors as large as a step).
    """
    step = parity["one_step_max_abs_weight_difference"]
    differences = [
        ("weights", parity["max_abs_weight_difference"], 0.0),
        ("logits", parity["max_abs_logit_difference"], 1e-4 * max(1.0, parity["max_abs_logit"])),
        ("loss", parity["loss_difference"], 1e-4),
        ("weights after a step of AdamW", step, 0.05 * parity["learning_rate"]),
    ]
    texts: Check = {
        "name": f"greedy texts of {parity['greedy_rows']} that differ",
        "found": parity["greedy_rows_differing"],
        "allowed": 0,
        "holds": parity["greedy_identical"],
    }
    return [
        *(Check(name=name, found=found, allowed=most, holds=found <= most) for name, found, most in differences),
        texts,
    ]


def explain(parity: "Parity", checks: Sequence[Check]) -> str | None:
    """What differs, in a line or two; None where nothing does."""
    failed = [check["name"] for check in checks if not check["holds"]]
    if not failed:
        return None
    message = f"the two sides differ: {', '.join(failed)}"
    if names := parity["differing_weights"]:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        message += f"\nweights that are not the same: {', '.join(names[:3])}{more}"
    return message


def measure(model: str, folder: str, context: int, asked: Asked, tick: Callable[[str], None]) -> list[dict[str, Any]]:
    """Generation and fine-tuning on every side, each in a process of its own, in interleaved rounds.

    Args:
        model: any MODEL.
        folder: the same for transformers.
        context: of the model, in tokens.
        asked: what to measure.
        tick: is told of each step; `steps` in all.

    Returns:
        A row for each task and batch: for each side, by its name in `SIDES`, a `Side`, whose ratio is the median of the
        rounds' own and whose start-up ends where the first warm call could begin; and "ratio", of kgpt2.
    """
    rows = []
    for task in asked.tasks:
        for batch in asked.batches if task == "generate" else (FIT_BATCH,):
            new_tokens = min(asked.new_tokens, context - PROMPT_TOKENS)
            shape = {"batch": batch, "prompt_tokens": PROMPT_TOKENS, "new_tokens": new_tokens}
            if task == "fit":
                shape = {"batch": batch, "width": min(FIT_WIDTH, context), "steps": FIT_STEPS}
            rows.append(_row(model, folder, task, shape, asked, tick))
    return rows


def steps(asked: Asked) -> int:
    """How many ticks `find_parity` and `measure` give.

    Example:
        >>> steps(Asked(["generate", "fit"], [1, 8], 32, "keras", kerashub=False, rounds=3))
        30
    """
    rows = sum(len(asked.batches) if task == "generate" else 1 for task in asked.tasks)
    return 1 + len(CHECKS) + rows * len(asked.sides) * (1 + asked.rounds)


def _row(
    model: str, folder: str, task: str, shape: dict[str, int], asked: Asked, tick: Callable[[str], None]
) -> dict[str, Any]:
    rates: dict[str, list[float]] = {side: [] for side in asked.sides}
    memory: dict[str, float | None] = {}
    with contextlib.ExitStack() as stack:
        servers = {}
        for side in asked.sides:
            tick(f"{task}: {SIDES[side]} gets ready")
            servers[side] = stack.enter_context(_start(ROUTES[task][side], model, folder, shape, asked.runtime))
        for _ in range(asked.rounds):
            for side, server in servers.items():
                tick(f"{task}: {SIDES[side]}")
                reply: Timed = server.ask()
                rates[side].append(reply["tokens_per_second"])
                memory[side] = reply["peak_memory_mb"]
    row: dict[str, Side] = {
        side: {
            "tokens_per_second": spread(rates[side]),
            "ratio": paired_ratio(rates[side], rates["torch"]),
            "startup_seconds": servers[side].startup,
            "peak_memory_mb": memory[side],
        }
        for side in asked.sides
    }
    return {"task": task, **shape, **row, "ratio": row["keras"]["ratio"]}


def _start(route: str, model: str, folder: str, shape: dict[str, int], runtime: str) -> Route:
    own = {"torch": {"folder": folder}, "engine": {"dtype": "float32", "runtime": runtime}}
    return start(route, {}, model=model, **own.get(route.split("-")[0], {}), **shape)
