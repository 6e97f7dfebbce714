"""A runtime, a tokenizer and settings as one: all that choosing the next tokens needs."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kgpt2.config.settings import Settings
from kgpt2.generation.bans import Bans
from kgpt2.generation.codec import Codec
from kgpt2.generation.processors import (
    Floats,
    ban,
    ban_repeated_ngrams,
    ban_repeats,
    ban_sequences,
    keep_form,
    log_probabilities,
    next_tokens,
    penalise_repetition,
)
from kgpt2.generation.rows import Row
from kgpt2.generation.runtime import Runtime


class Decoder:
    """What a call decodes with.

    Args:
        runtime: computes the logits.
        tokenizer: of the same model.
        settings: of the call.

    Attributes:
        bans: what may not come.
    """

    def __init__(self, runtime: Runtime, tokenizer: Codec, settings: Settings):
        self.runtime, self.tokenizer, self.settings = runtime, tokenizer, settings
        self.bans = Bans(runtime.vocabulary_size, tokenizer, settings)

    def forbid(self, logits: Floats, history: NDArray[np.int32], rows: Sequence[Row]) -> Floats:
        """Logits `(rows, vocabulary)` after penalties and bans; `history` `(rows, length)` is what the rows hold."""
        settings, bans = self.settings, self.bans
        scores = penalise_repetition(logits, history, settings.repetition_penalty)
        scores = ban_repeated_ngrams(scores, history, settings.no_repeat_ngram)
        if settings.bans_repeats:
            scores = ban_repeats(scores, history, np.array([row.length for row in rows]))
        scores = ban_sequences(scores, history, bans.sequences)
        needs = [row.need for row in rows]
        if needs[0] is not None:
            return keep_form(scores, logits, np.stack([bans.besides(need) for need in needs if need is not None]))
        scores = ban(scores, bans.mask)
        short = np.array([len(row.new) < settings.min_new_tokens for row in rows])
        if short.any():
            scores[short, self.tokenizer.end_id] = -np.inf
        return scores

    def known(self, rows: Sequence[Row]) -> NDArray[np.int32]:
        """The tokens that a form has settled, int32 `(rows, count)`: as many as are settled in each row from here on.

        They can go through the network together with the token before them. None are where each needs its logits,
        or where a stop text may end a row among them.
        """
        settings = self.settings
        if any(row.plan is None for row in rows) or settings.stop or settings.logprobs:
            return np.empty((len(rows), 0), np.int32)
        runs = [self.bans.settled(row.plan[len(row.new) :]) for row in rows if row.plan is not None]
        count = min(map(len, runs))
        return np.array([run[:count] for run in runs], np.int32).reshape(len(rows), count)

    def choose(self, logits: Floats, history: NDArray[np.int32], rows: Sequence[Row]) -> NDArray[np.int32]:
        """The next token of each row, int32 `(rows,)`, which the row takes; arguments as those of `forbid`."""
        scores = self.forbid(logits, history, rows)
        tokens = next_tokens(scores, self.settings, [row.draw for row in rows]).astype(np.int32)
        values = log_probabilities(logits, tokens).tolist() if self.settings.logprobs else [None] * len(rows)
        for row, token, value in zip(rows, tokens.tolist(), values, strict=True):
            row.take(token, value)
        return tokens
