"""How probable texts are to a model, on any runtime: loss, perplexity, accuracy and bits per character.

Keras is not imported here, so that a CPU answers as fast as it generates.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from kgpt2.checkpoints.checkpoint import Tokenizer
from kgpt2.data.example import Example
from kgpt2.data.tokens import encode
from kgpt2.errors import RequestError
from kgpt2.evaluation.perplexity import perplexity
from kgpt2.generation.processors import Floats, Ints, log_probabilities
from kgpt2.generation.runtime import Runtime

# Logits of so many places are computed at a time: 173 MB for a vocabulary of 21,128.
PLACES = 2048
# Windows among which those of like length are computed together.
POOL = 1024


@dataclasses.dataclass
class Likelihood:
    """Sums over targets: every token of a text and its end token; the start token and prompts are only read.

    Attributes:
        nats: the sum of the targets' negative log-probabilities.
        tokens: how many targets.
        hits: targets that no other token beats.
        characters: of the texts.
        unknown: targets that stand for a character which the vocabulary does not have.
        examples: how many texts.

    Example:
        >>> Likelihood(nats=2.0, tokens=4, hits=1, characters=3, examples=1).report()["accuracy"]
        0.25
    """

    nats: float = 0.0
    tokens: int = 0
    hits: int = 0
    characters: int = 0
    unknown: int = 0
    examples: int = 0

    def report(self) -> dict[str, float]:
        """As `kgpt2 evaluate --json` has it; the loss is the mean over targets, in nats.

        Bits per character divide by the characters of the texts, so that models with different tokens can be compared;
        the end tokens' bits count.
        """
        loss = self.nats / self.tokens
        return {
            "loss": loss,
            "perplexity": perplexity(loss),
            "bits_per_character": self.nats / math.log(2) / self.characters if self.characters else math.nan,
            "accuracy": self.hits / self.tokens,
            "tokens": self.tokens,
            "characters": self.characters,
            "examples": self.examples,
            "unknown_fraction": self.unknown / self.tokens,
        }


@dataclasses.dataclass(frozen=True)
class Window:
    """A part of a text that fits the context.

    Attributes:
        ids: its tokens; each but the first is the target of those before it.
        scored: the number of targets at its end that count; those before were scored by the window before.
    """

    ids: Ints
    scored: int


def score(
    runtime: Runtime,
    tokenizer: Tokenizer,
    examples: Iterable[Example],
    stride: int | None = None,
    unknown_id: int | None = None,
) -> Iterator[Likelihood]:
    """Adds up the likelihood of texts; yields the sums so far, again and again.

    Args:
        runtime: computes the logits.
        tokenizer: the model's.
        examples: one after the other; nothing is deduplicated.
        stride: how far the window moves over a text that is longer than the context: each target is scored once, with
            at least `context - stride` tokens before it (but for the text's first). None: half the context.
        unknown_id: what to count as unknown.

    Raises:
        RequestError: the stride is not between 1 and the context, or there is no text.
    """
    stride = runtime.context // 2 if stride is None else stride
    kept = len(tokenizer.start_ids) if tokenizer.prompt_ids else 0
    context = runtime.context - kept
    if not 1 <= stride <= context:
        behind = " behind the tuned prompt" if kept else ""
        raise RequestError(f"--stride: {stride} is not between 1 and the context of {context}{behind}")
    total = Likelihood()
    waiting: list[Window] = []
    examples = iter(examples)
    while some := list(itertools.islice(examples, 256)):
        table = encode(some, tokenizer)
        for number, example in enumerate(some):
            total.examples += 1
            total.characters += len(example.text)
            waiting += _windows(table[number], int(table.prompts[number]), runtime.context, stride, kept)
        if len(waiting) >= POOL:
            _add(total, waiting, runtime, unknown_id)
            waiting = []
            yield total
    if waiting:
        _add(total, waiting, runtime, unknown_id)
    if not total.tokens:
        raise RequestError("there is no text to evaluate")
    yield total


def _windows(ids: Ints, prompt: int, context: int, stride: int, kept: int) -> Iterator[Window]:
    """As transformers' guide to perplexity cuts a text; a window of so many tokens predicts one more.

    The first `kept` tokens, those of a tuned prompt, are in front of every window.
    """
    scored = prompt  # targets left to skip, then targets scored: the first target is token 1
    targets = len(ids) - 1
    for start in range(0, targets, stride):
        end = min(start + context, targets)
        if end > scored:
            window = np.concatenate([ids[:kept], ids[kept + start : end + 1]])
            yield Window(window, end - max(scored, start + kept if start else 0))
            scored = end
        if end == targets:
            return


def _add(total: Likelihood, windows: Sequence[Window], runtime: Runtime, unknown_id: int | None) -> None:
    for window, (logprobs, hits) in zip(windows, score_windows(runtime, windows), strict=True):
        total.nats -= float(logprobs.sum())
        total.hits += int(hits.sum())
        total.tokens += len(hits)
        if unknown_id is not None:
            total.unknown += int((window.ids[-window.scored :] == unknown_id).sum())


def score_windows(runtime: Runtime, windows: Sequence[Window]) -> list[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    """Log-probabilities of the scored targets of windows, and whether each is one that no other token beats.

    Args:
        runtime: computes the logits; windows of like length share a call.
        windows: none of more tokens than the context and one.

    Returns:
        In the order of the windows: float64 and bool, of the scored targets.
    """
    found: dict[int, tuple[NDArray[np.float64], NDArray[np.bool_]]] = {}
    waiting = sorted(range(len(windows)), key=lambda number: -len(windows[number].ids))
    while waiting:
        size = max(1, PLACES // (len(windows[waiting[0]].ids) - 1))
        batch, waiting = waiting[:size], waiting[size:]
        logits = runtime.logits([windows[number].ids[:-1].tolist() for number in batch])
        for row, number in zip(logits, batch, strict=True):
            ids, scored = windows[number].ids, windows[number].scored
            found[number] = _target_scores(row[len(ids) - 1 - scored : len(ids) - 1], ids[-scored:])
    return [found[number] for number in range(len(windows))]


def _target_scores(logits: Floats, targets: Ints) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    hits = logits[np.arange(len(targets)), targets] >= logits.max(axis=-1)
    return log_probabilities(logits, targets), hits
