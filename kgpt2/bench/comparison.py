"""kgpt2 beside PyTorch on the same weights: parity first, then speed, memory and start-up of both."""

import contextlib
import dataclasses
import importlib.util
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kgpt2.bench.routes import start
from kgpt2.bench.turns import Route, paired_ratio, spread
from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.checkpoints.hugging_face import HuggingFaceFolder
from kgpt2.conversion.convert import convert
from kgpt2.errors import RequestError

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


def require_torch() -> None:
    """Raises RequestError where PyTorch or transformers is not installed."""
    for package in ("torch", "transformers"):
        if importlib.util.find_spec(package) is None:
            raise RequestError(
                f"{package}: is not installed, and there is nothing to compare with\npip install 'kgpt2[torch]'"
            )


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
        if not isinstance(other, HuggingFaceFolder):
            raise RequestError(
                f"{against}: not a folder of transformers (`kgpt2 convert --to transformers` writes one)"
            )
        if other.shape.tensors() != checkpoint.shape.tensors():
            raise RequestError(f"{against}: another shape than the model's, their weights cannot be the same")
        yield str(other.folder)
    elif isinstance(checkpoint, HuggingFaceFolder):
        yield str(checkpoint.folder)
    else:
        with tempfile.TemporaryDirectory() as root:
            convert(checkpoint, Path(root) / "model", to="transformers", dtype="float32")
            yield f"{root}/model"


def find_parity(model: str, folder: str, tick: Callable[[str], None]) -> dict[str, Any]:
    """What `parity` found, in one dictionary; a tick for loading and for each of `CHECKS`."""
    found: dict[str, Any] = {}
    tick("parity: loading")
    with start("parity", model=model, folder=folder) as server:
        for check in CHECKS:
            tick(f"parity: {check}")
            found |= server.ask(check=check)
    return found


def judge(parity: dict[str, Any]) -> list[dict[str, Any]]:
    """Each check with what was found, what is allowed, and whether that holds.

    float32 has seven digits: logits may differ by a ten-thousandth of the largest one, a weight after a step by a
    twentieth of the learning rate (where a gradient is nearly 0, Adam makes its rounding errors as large as a step).
    """
    limits = {
        "max_abs_weight_difference": ("weights", 0.0),
        "max_abs_logit_difference": ("logits", 1e-4 * max(1.0, parity["max_abs_logit"])),
        "loss_difference": ("loss", 1e-4),
        "one_step_max_abs_weight_difference": ("weights after a step of AdamW", 0.05 * parity["learning_rate"]),
    }
    checks = [
        {"name": name, "found": parity[key], "allowed": allowed, "holds": parity[key] <= allowed}
        for key, (name, allowed) in limits.items()
    ]
    rows = {"found": parity["greedy_rows_differing"], "allowed": 0, "holds": parity["greedy_identical"]}
    return [*checks, {"name": f"greedy texts of {parity['greedy_rows']} that differ", **rows}]


def explain(parity: dict[str, Any], checks: Sequence[dict[str, Any]]) -> str | None:
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
        A row for each task and batch: for each side tokens_per_second (min, median, max of the rounds), ratio (the
        median of the rounds' own ratios to PyTorch), startup_seconds (until the first warm call could begin, with all
        that is compiled) and peak_memory_mb of its process while it works; and "ratio", of kgpt2.
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
    """How many ticks `find_parity` and `measure` give."""
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
                reply = server.ask()
                rates[side].append(reply["tokens_per_second"])
                memory[side] = reply["peak_memory_mb"]
    row: dict[str, dict[str, Any]] = {
        side: {
            "tokens_per_second": spread(rates[side]),
            "ratio": paired_ratio(rates[side], rates["torch"]),
            "startup_seconds": servers[side].startup,
            "peak_memory_mb": memory[side],
        }
        for side in asked.sides
    }
    return {"task": task, **shape, **row, "ratio": row["keras"]["ratio"]}


def _start(route: str, model: str, folder: str, shape: dict[str, Any], runtime: str) -> Route:
    own: dict[str, dict[str, Any]] = {"torch": {"folder": folder}, "engine": {"dtype": "float32", "runtime": runtime}}
    return start(route, model=model, **own.get(route.split("-")[0], {}), **shape)
