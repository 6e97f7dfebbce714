"""Token ids to measure with: drawn, but the same for every route."""

import numpy as np

from kgpt2.checkpoints.checkpoint import Tokenizer


def drawn_prompts(tokenizer: Tokenizer, rows: int, width: int, seed: int = 0) -> list[list[int]]:
    """Rows of the start token and others that a text may hold, `width` in all.

    Example:
        >>> from kgpt2.checkpoints.bert_tokenizer import SPECIAL_TOKENS, BertTokenizer
        >>> tokenizer = BertTokenizer([*SPECIAL_TOKENS, *"春夏秋冬"])
        >>> [len(row) for row in drawn_prompts(tokenizer, rows=2, width=3)]
        [3, 3]
    """
    odd = {*tokenizer.default_bans, tokenizer.start_id, tokenizer.end_id, tokenizer.pad_id}
    usual = [token for token in range(tokenizer.vocabulary_size) if token not in odd] or [tokenizer.end_id]
    draws = np.random.default_rng(seed).choice(usual, (rows, width - 1))
    return [[tokenizer.start_id, *row] for row in draws.tolist()]
