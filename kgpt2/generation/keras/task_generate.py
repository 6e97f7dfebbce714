"""A Keras task's own `generate`: KerasHub's samplers over this engine's runtime.

KerasHub compiles the network anew for every sampler and every length, and reads each prompt at the whole length it may
grow to. Here the network is compiled for a few rounded shapes, whatever the sampler, and the sampler is asked for its
next tokens through the method that KerasHub documents for samplers of one's own.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from keras import ops
from keras_hub.samplers import Sampler

from kgpt2.generation.runtime import Runtime


def can_drive(sampler: Sampler) -> bool:
    """Whether a sampler only chooses next tokens; beam search and its like run a loop of their own."""
    return type(sampler).__call__ is Sampler.__call__


def continue_rows(
    runtime: Runtime, sampler: Sampler, inputs: Mapping[str, Any], stop_token_ids: Collection[int] | None = None
) -> dict[str, np.ndarray]:
    """KerasHub's `generate_step` on a runtime.

    Args:
        runtime: computes the logits.
        sampler: one that `can_drive` agrees to; its random state goes on as in KerasHub.
        inputs: `token_ids` and `padding_mask`, `(rows, length)`: what the mask shows is given, the rest is filled in.
        stop_token_ids: a row ends at the first of them that it is not given; None: every row is filled.

    Returns:
        `token_ids`, int32, and `padding_mask`, bool, `(rows, length)`: true up to the stop token, which it includes.

    Raises:
        ValueError: a row begins with nothing, so there is nothing to go on from.
    """
    token_ids = np.array(ops.convert_to_numpy(inputs["token_ids"]), dtype="int32")
    given = np.array(ops.convert_to_numpy(inputs["padding_mask"]), dtype=bool)
    rows, length = token_ids.shape
    starts = np.where(given.all(axis=1), length, given.argmin(axis=1))
    if not starts.all():
        raise ValueError("generate: each row needs at least one token to go on from, such as the start token")
    kept = np.ones_like(given)
    growing = starts < length
    prompts = [row[:start].tolist() for row, start in zip(token_ids, starts, strict=True)]
    logits, cache = (
        runtime.prefill(prompts, starts.max() + length - starts.min(), rows) if growing.any() else (None, None)
    )
    numbers = np.arange(rows, dtype="int32")
    for place in range(length - starts.min()):
        tokens = sampler.get_next_token(sampler.compute_probabilities(ops.convert_to_tensor(logits)))
        tokens = np.asarray(ops.convert_to_numpy(tokens)).astype("int32")
        columns = np.minimum(starts + place, length - 1)
        tokens = np.where(given[numbers, columns], token_ids[numbers, columns], tokens)
        token_ids[numbers[growing], columns[growing]] = tokens[growing]
        if stop_token_ids is not None:
            stopped = growing & np.isin(tokens, list(stop_token_ids)) & ~given[numbers, columns]
            kept[stopped] = np.arange(length) <= columns[stopped, None]
            growing = growing & ~stopped
        growing = growing & (columns < length - 1)
        if not growing.any():
            break
        logits, cache = runtime.step(tokens[:, None], numbers, cache)
    return {"token_ids": token_ids, "padding_mask": kept}
