"""The Keras tokenizer of GPT-2s that begin or end texts with other tokens than <|endoftext|>."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import keras_hub

from kgpt2.checkpoints.bpe_tokenizer import END_OF_TEXT


@keras.saving.register_keras_serializable(package="kgpt2")
class GPT2Tokenizer(keras_hub.models.GPT2Tokenizer):
    """KerasHub's tokenizer with a first and a last token of its own.

    Args:
        vocabulary: as KerasHub's.
        merges: as KerasHub's.
        start_token: begins every text.
        end_token: ends every text.
        newline_token: what the model learned in the place of a line end; kgpt2's own engine reads and writes it.
        added_tokens: as those of `BpeTokenizer`.
        normalized_tokens: as `normalized` of `BpeTokenizer`.
    """

    def __init__(
        self,
        vocabulary: Any = None,
        merges: Any = None,
        start_token: str = END_OF_TEXT,
        end_token: str = END_OF_TEXT,
        newline_token: str | None = None,
        added_tokens: Mapping[str, bool] | None = None,
        normalized_tokens: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        self._add_special_token(end_token, "end_token")
        self._add_special_token(start_token, "start_token")
        self.newline_token, self.pad_token_id = newline_token, 0
        self.added_tokens, self.normalized_tokens = dict(added_tokens or {}), list(normalized_tokens)
        # Not GPT2Tokenizer's, which knows <|endoftext|> alone.
        super(keras_hub.models.GPT2Tokenizer, self).__init__(vocabulary=vocabulary, merges=merges, **kwargs)

    def get_config(self) -> dict[str, Any]:
        names = ("start_token", "end_token", "newline_token", "added_tokens", "normalized_tokens")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
