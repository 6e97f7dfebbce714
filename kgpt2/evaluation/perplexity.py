"""Perplexity."""

import math


def perplexity(loss: float) -> float:
    """exp(loss), infinite where that overflows; the loss is the mean over targets, in nats.

    Example:
        >>> perplexity(0.0), perplexity(1e6)
        (1.0, inf)
    """
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf
