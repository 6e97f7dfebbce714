"""A sampler looked at while it draws: what the model thinks at each place, and what each cut leaves of it."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from kgpt2.config.settings import Settings
from kgpt2.errors import RequestError
from kgpt2.generation.decoder import Decoder
from kgpt2.generation.processors import Floats, candidates, softmax
from kgpt2.generation.rows import Prompt, Row

SHOWN = 10


class Candidate(TypedDict):
    """A token that could come.

    `p`: its probability under the model; `q`: that of being drawn; `out`: the cut that it falls to, "" where it stays.
    """

    id: int
    text: str
    p: float
    q: float
    out: str


class Place(TypedDict):
    """A place of the text: the token that came, and what else could have.

    `entropy`: of the model's distribution, in bits; `kept`: tokens that the cuts leave; `given`: not drawn, but asked
    for.
    """

    id: int
    text: str
    p: float
    q: float
    entropy: float
    kept: int
    given: bool
    candidates: list[Candidate]


def trace(
    decoder: Decoder,
    prompt: Prompt,
    settings: Settings,
    seed: int,
    given: Sequence[int] = (),
    is_over: Callable[[], bool] = bool,
) -> list[Place]:
    """Continues a prompt as `generate` does, and notes every place.

    Args:
        decoder: of the model, with the same settings.
        prompt: what is continued.
        settings: how tokens are chosen.
        seed: of the draws.
        given: tokens that come first; each takes the draw of its place, so that what follows them has its own.
        is_over: asked before each place, whether to leave the rest.

    Raises:
        RequestError: one of these is no token.
    """
    size = decoder.tokenizer.vocabulary_size
    if not all(0 <= token < size for token in given):
        raise RequestError(f"ids: the model's tokens have the numbers 0 to {size - 1:,}")
    row = Row(prompt, 0, seed, decoder.tokenizer, settings)
    return list(itertools.takewhile(lambda _: not is_over(), _places(decoder, row, given)))


def _places(decoder: Decoder, row: Row, given: Sequence[int]) -> Iterator[Place]:
    runtime, first = decoder.runtime, np.zeros(1, np.int32)
    logits, cache = runtime.prefill([row.prompt.ids], runtime.context, 1)
    while row.finish_reason is None:
        history = np.array([row.prompt.ids + row.new], np.int32)
        scores = decoder.forbid(logits, history, [row])[0]
        is_given = len(row.new) < len(given)
        if is_given:
            token = given[len(row.new)]
            row.take_settled(token)
        else:
            token = int(decoder.choose(logits, history, [row])[0])
        yield _place(decoder, logits[0], scores, token, is_given)
        if row.finish_reason is not None or history.shape[1] + 1 >= runtime.context:
            return
        logits, cache = runtime.step(np.array([[token]], np.int32), first, cache)


def _place(decoder: Decoder, logits: Floats, scores: Floats, token: int, is_given: bool) -> Place:
    model = softmax(logits)
    drawn = np.zeros_like(model)
    fallen = np.full(len(model), "", dtype=object)
    for cut, ids, shares in _cuts(scores, decoder.settings):
        kept = np.zeros(len(model), bool)
        kept[ids] = True
        fallen[(fallen == "") & ~kept] = cut
        drawn[:] = 0
        drawn[ids] = shares
    some = model[model > 0]
    return Place(
        id=token,
        text=decoder.tokenizer.decode([token]),
        p=float(model[token]),
        q=float(drawn[token]),
        entropy=float(-(some * np.log2(some)).sum()),
        kept=int((fallen == "").sum()),
        given=is_given,
        candidates=[
            Candidate(
                id=int(one),
                text=decoder.tokenizer.decode([int(one)]),
                p=float(model[one]),
                q=float(drawn[one]),
                out=str(fallen[one]),
            )
            for one in np.argsort(-model, kind="stable")[:SHOWN]
        ],
    )


def _cuts(scores: Floats, settings: Settings) -> Iterator[tuple[str, NDArray[np.integer[Any]], Floats]]:
    """What each cut leaves, one after the other: its name, tokens and their probabilities."""
    plain = dataclasses.replace(settings, sampler="random", min_p=None, typical_p=None)
    yield "ban", *candidates(scores, plain)
    if settings.sampler == "greedy":
        yield "greedy", np.array([scores.argmax()]), np.ones(1)
        return
    if settings.sampler in ("top_k", "top_p") and settings.k:
        yield "top_k", *candidates(scores, dataclasses.replace(plain, sampler="top_k"))
    if settings.sampler == "top_p":
        yield "top_p", *candidates(scores, dataclasses.replace(plain, sampler="top_p"))
    if settings.min_p is not None:
        yield "min_p", *candidates(scores, dataclasses.replace(settings, typical_p=None))
    if settings.typical_p is not None:
        yield "typical_p", *candidates(scores, settings)
