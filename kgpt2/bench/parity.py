"""Whether kgpt2 and PyTorch compute the same from the same weights: before speed, equality.

Five checks: the weights as each side reads them; the logits, of the Keras network and of the decoding engine; the
loss; the tokens of a greedy continuation; and every weight after one step of AdamW.
"""

import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypedDict

import kgpt2.models as models  # first: it brings Keras up the quiet way

import keras  # isort: skip
import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, GPT2LMHeadModel

from kgpt2.bench.drawn import drawn_prompts
from kgpt2.bench.fitting import Arrays
from kgpt2.bench.turns import Answer, Reply
from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.checkpoints.names import read_model
from kgpt2.checkpoints.tensors import read_all
from kgpt2.config.sections import Config
from kgpt2.generation.language_model import LanguageModel, open_runtime
from kgpt2.training.network import trainable_network

ROWS, WIDTH = 4, 64
PROMPTS, PROMPT_TOKENS, NEW_TOKENS = 8, 8, 32
# Where the two most probable tokens are closer than this, rounding may choose either.
NEAR_TIE = 1e-4
LEARNING_RATE, DECAY = 1e-4, 0.01
# Keras' and PyTorch's defaults; Keras adds its own before the bias correction.
EPSILON, SECOND_MOMENT = 1e-7, 0.999


class Weights(TypedDict):
    """The largest difference of all tensors, and the names of those that differ, the worst first."""

    max_abs_weight_difference: float
    differing_weights: list[str]


class Logits(TypedDict):
    """The largest difference over every place and token: of both, of the Keras network, of the engine."""

    max_abs_logit_difference: float
    keras_logit_difference: float
    engine_logit_difference: float
    max_abs_logit: float


class Loss(TypedDict):
    """The difference of the means over targets, and both, by "keras" and "torch"."""

    loss_difference: float
    loss: dict[str, float]


class Greedy(TypedDict):
    """How many rows were written, how many differ, and how many of the others part at a near tie."""

    greedy_identical: bool
    greedy_rows: int
    greedy_rows_differing: int
    greedy_near_ties: int


class Step(TypedDict):
    """The largest difference of a weight after a step of AdamW, and which tensor has it."""

    one_step_max_abs_weight_difference: float
    learning_rate: float
    worst_after_one_step: list[str]


class Parity(Weights, Logits, Loss, Greedy, Step):
    """What all checks found."""


def prepare(route: str, model: str, folder: str) -> Answer:
    """Loads both sides; a request names a check, the reply is what it found.

    Args:
        route: its name.
        model: any MODEL.
        folder: of transformers, with what should be the same weights.
    """
    checkpoint = read_model(model)
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    task = models.load_task(checkpoint, dropout=0.0)
    checks: dict[str, Callable[[], Reply]] = {
        "weights": lambda: compare_weights(_stored(checkpoint), network),
        "logits": lambda: compare_logits(checkpoint, task, network),
        "loss": lambda: compare_loss(checkpoint, task, network),
        "greedy": lambda: compare_greedy(open_runtime(checkpoint), network),
        "step": lambda: compare_step(checkpoint, task, network),  # last: it changes the weights
    }
    return lambda request: checks[request["check"]]()


def compare_weights(ours: Iterator[tuple[str, NDArray[np.generic]]], network: GPT2LMHeadModel) -> Weights:
    """Compares tensor by tensor; one that the other side has not, or in another shape, differs infinitely."""
    theirs = dict(network.transformer.named_parameters())
    differing: dict[str, float] = {}
    shapes = []
    for name, array in ours:
        other = theirs[name].detach().numpy() if name in theirs else np.empty(0)
        # An embedding may be filled up to a round number of rows.
        other = other[: len(array)]
        if other.shape != array.shape:
            shapes.append(name)
        elif difference := float(np.abs(array.astype("float32") - other).max()):
            differing[name] = difference
    worst = sorted(differing, key=differing.__getitem__, reverse=True)
    return {
        "max_abs_weight_difference": math.inf if shapes else max(differing.values(), default=0.0),
        "differing_weights": shapes + worst,
    }


def compare_logits(checkpoint: Checkpoint, task: keras.Model, network: GPT2LMHeadModel) -> Logits:
    """Compares every place and token."""
    ids = np.array(_rows(checkpoint), "int32")
    with torch.no_grad():
        theirs = network(torch.tensor(ids)).logits.numpy()[..., : checkpoint.shape.vocabulary_size]
    hidden = task.backbone({"token_ids": ids, "padding_mask": np.ones_like(ids)})
    keras_logits = keras.ops.convert_to_numpy(task.backbone.token_embedding(hidden, reverse=True))
    engine_logits = open_runtime(checkpoint).runtime.logits(ids.tolist())
    # The engine gives no logits to the tokens of a tuned prompt.
    written = ~np.isin(np.arange(theirs.shape[-1]), checkpoint.tokenizer.prompt_ids)
    found = [float(np.abs((logits - theirs)[..., written]).max()) for logits in (keras_logits, engine_logits)]
    return {
        "max_abs_logit_difference": max(found),
        "keras_logit_difference": found[0],
        "engine_logit_difference": found[1],
        "max_abs_logit": float(np.abs(theirs).max()),
    }


def compare_loss(checkpoint: Checkpoint, task: keras.Model, network: GPT2LMHeadModel) -> Loss:
    """The mean over real targets of rows of different lengths; padding counts on neither side."""
    batch = _batch(checkpoint)
    ours = float(_network(checkpoint, task).test_on_batch(*batch, return_dict=True)["token_loss"])
    with torch.no_grad():
        theirs = float(_torch_loss(network, batch))
    return {"loss_difference": abs(ours - theirs), "loss": {"keras": ours, "torch": theirs}}


def compare_greedy(lm: LanguageModel, network: GPT2LMHeadModel) -> Greedy:
    """Greedy tokens of a few prompts, no default bans; a row that parts at a near tie is excused and counted."""
    from kgpt2.config.settings import Settings
    from kgpt2.generation.generate import Clock, generate
    from kgpt2.generation.rows import Prompt

    context, end = lm.runtime.context, lm.tokenizer.end_id
    new = min(NEW_TOKENS, context - PROMPT_TOKENS)
    rows = drawn_prompts(lm.tokenizer, PROMPTS, PROMPT_TOKENS)
    settings = Settings(sampler="greedy", min_new_tokens=new, default_bans=False, seed=0)
    prompts = [Prompt("", row, new) for row in rows]
    ours = [one.token_ids for one in generate(lm.decoder(settings), prompts, Clock())]
    lengths = {"min_new_tokens": new, "max_new_tokens": new, "eos_token_id": end, "pad_token_id": lm.tokenizer.pad_id}
    ids = torch.tensor(rows)
    network.generation_config.suppress_tokens = None  # what convert writes there are the default bans
    theirs = network.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, **lengths).tolist()
    differing = excused = 0
    for row, other in zip(ours, theirs, strict=True):
        if row != other:
            tie = _near_tie(network, row, other)
            excused += tie
            differing += not tie
    return {
        "greedy_identical": not differing,
        "greedy_rows": PROMPTS,
        "greedy_rows_differing": differing,
        "greedy_near_ties": excused,
    }


def _near_tie(network: GPT2LMHeadModel, row: list[int], other: list[int]) -> bool:
    """Whether the first tokens that differ are as good as equally probable."""
    place = next(place for place, (one, two) in enumerate(zip(row, other, strict=True)) if one != two)
    with torch.no_grad():
        logits = network(torch.tensor([other[:place]])).logits[0, -1]
    return abs(float(logits[row[place]] - logits[other[place]])) < NEAR_TIE


def compare_step(checkpoint: Checkpoint, task: keras.Model, network: GPT2LMHeadModel) -> Step:
    """One step of AdamW on the same batch, without dropout; the largest difference of any weight after it."""
    batch = _batch(checkpoint)
    _network(checkpoint, task).train_on_batch(*batch)
    decayed = [weight for weight in network.parameters() if weight.ndim > 1]
    others = [weight for weight in network.parameters() if weight.ndim == 1]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    # In the first step Keras' epsilon is PyTorch's times the bias correction (section 2 of the Adam paper).
    epsilon = EPSILON / math.sqrt(1 - SECOND_MOMENT)
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, eps=epsilon)
    _torch_loss(network, batch).backward()
    optimizer.step()
    with tempfile.TemporaryDirectory() as root:
        models.save_preset(task, Path(root) / "preset")
        found = compare_weights(_stored(read_model(f"{root}/preset")), network)
    return {
        "one_step_max_abs_weight_difference": found["max_abs_weight_difference"],
        "learning_rate": LEARNING_RATE,
        "worst_after_one_step": found["differing_weights"][:1],
    }


def _network(checkpoint: Checkpoint, task: keras.Model) -> keras.Model:
    """The task's layers as `kgpt2 fit` trains them, in one constant step."""
    train = {"learning_rate": LEARNING_RATE, "weight_decay": DECAY, "clip_norm": None, "schedule": "constant"}
    model = {"preset": str(checkpoint.folder)}
    config = Config.model_validate({"model": model, "data": {"source": "samples/tang"}, "train": train})
    # One step is not worth XLA's minute of compiling, and it is to be equal, not fast.
    return trainable_network(task, config, updates=1, jit_compile=False)


def _torch_loss(network: GPT2LMHeadModel, batch: Arrays) -> torch.Tensor:
    inputs, targets, weights = batch
    labels = torch.tensor(np.where(weights > 0, targets, -100)).long()
    logits = network(torch.tensor(inputs["token_ids"]), attention_mask=torch.tensor(inputs["padding_mask"])).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


def _batch(checkpoint: Checkpoint) -> Arrays:
    """Rows of which each is a few tokens shorter than the one before, padded on the right."""
    tokens = np.array(_rows(checkpoint), np.int32)
    width = tokens.shape[1] - 1
    lengths = width - np.arange(ROWS) * (width // (2 * ROWS))
    mask = (np.arange(width) < lengths[:, None]).astype(np.int32)
    return {"token_ids": tokens[:, :-1], "padding_mask": mask}, tokens[:, 1:], mask.astype(np.float32)


def _rows(checkpoint: Checkpoint) -> list[list[int]]:
    return drawn_prompts(checkpoint.tokenizer, ROWS, min(WIDTH, checkpoint.shape.max_sequence_length), seed=1)


def _stored(checkpoint: Checkpoint) -> Iterator[tuple[str, NDArray[np.generic]]]:
    with checkpoint.open_weights() as tensors:
        yield from read_all(tensors, str(checkpoint.folder))
