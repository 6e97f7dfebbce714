"""How good a text is, as far as counting tells: what `best_of` chooses by."""

import dataclasses
from collections.abc import Sequence

from kgpt2.generation.rows import Generation
from kgpt2.verse.measures import characters_repeated, parallels_kept

# What a share of all characters or places is worth in nats per token: chosen so that real verse stands above the same
# characters shuffled and above what a model writes (benchmarks/verse/merit.py).
REPEATED, PARALLEL, KEYWORD = 3.0, 0.5, 1.0


def merit(one: Generation, keywords: Sequence[str] = ()) -> float:
    """The mean log-probability of a text's new tokens, less repeats, plus parallelism, plus the keywords it holds.

    Args:
        one: with `logprobs`.
        keywords: what was asked for.

    Example:
        >>> once = Generation("", 0, "春风", "春风", [2, 5, 6], 2, "stop", 0, [-1.0, -3.0])
        >>> merit(once), merit(dataclasses.replace(once, text="春春")), merit(once, ["春"])
        (-2.0, -3.5, -1.0)
    """
    probable = sum(one.logprobs or ()) / max(1, len(one.logprobs or ()))
    parallel = PARALLEL * _share(parallels_kept(one.text))
    asked = KEYWORD * sum(word in one.text for word in keywords) / max(1, len(keywords))
    return probable - REPEATED * _share(characters_repeated(one.text)) + parallel + asked


def best(some: Sequence[Generation], count: int, keywords: Sequence[str], logprobs: bool) -> list[Generation]:
    """The best of a prompt's continuations, the best first, numbered anew; equal texts come once where others are left.

    Args:
        some: the continuations, with `logprobs`.
        count: how many to keep.
        keywords: what was asked for.
        logprobs: whether the caller wants them.
    """
    ordered = sorted(some, key=lambda one: -merit(one, keywords))
    first = list({one.text: one for one in reversed(ordered)}.values())[::-1]
    first += [one for one in ordered if not any(one is other for other in first)]
    kept = first[:count]
    return [
        dataclasses.replace(one, index=number, logprobs=one.logprobs if logprobs else None)
        for number, one in enumerate(kept)
    ]


def _share(count: tuple[int, int]) -> float:
    held, places = count
    return held / places if places else 0.0
