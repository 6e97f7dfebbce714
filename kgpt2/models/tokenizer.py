"""The Keras tokenizer for a BERT vocabulary: plain Python outside tf.data, TensorFlow ops inside, the same ids."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np

from kgpt2.checkpoints.bert_tokenizer import (
    END,
    MAX_WORD_CHARACTERS,
    PAD,
    START,
    SUFFIX,
    UNKNOWN,
    BertTokenizer,
)
from kgpt2.checkpoints.detokenize import TIGHT
from kgpt2.checkpoints.special_tokens import SpecialTokens
from kgpt2.checkpoints.unicode_classes import ACCENT, CJK, MARK, REMOVED, SPACE
from kgpt2.checkpoints.vocabulary import read_vocabulary
from kgpt2.errors import RequestError
from kgpt2.models.backbone import ChineseGPT2Backbone
from kgpt2.models.backend import Tensor

# Inside tf.data a special or added token is one private-use character while the text around it is cleaned and split.
_FIRST_STAND_IN = 0xE000


@keras.saving.register_keras_serializable(package="kgpt2")
class ChineseGPT2Tokenizer(keras_hub.tokenizers.WordPieceTokenizer):
    """Ids equal to transformers' BertTokenizer, and text without stray spaces.

    KerasHub's own `lowercase` folds full-width marks to ASCII (NFKC), so the whole normalisation is ours: see
    `kgpt2.checkpoints.bert_tokenizer`.

    Args:
        vocabulary: tokens in the order of their ids, or the path of a `vocab.txt`.
        do_lower_case: lower-case the text.
        strip_accents: drop accents (None: as `do_lower_case`).
        added_tokens: as those of `BertTokenizer`.
        normalized_tokens: as `normalized` of `BertTokenizer`.
        start_token, end_token, newline_token: begin and end a text, and stand for the end of a line (None: nothing).

    Call with one string or a list of strings; ids come as one array, or as a list of lists (ragged inside tf.data).
    """

    backbone_cls = ChineseGPT2Backbone

    def __init__(
        self,
        vocabulary: Sequence[str] | str | Path | None = None,
        do_lower_case: bool = False,
        strip_accents: bool | None = None,
        added_tokens: Mapping[str, bool] | None = None,
        normalized_tokens: Sequence[str] = (),
        start_token: str = START,
        end_token: str = END,
        newline_token: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.do_lower_case = do_lower_case
        self.added_tokens, self.normalized_tokens = dict(added_tokens or {}), list(normalized_tokens)
        self.newline_token = newline_token
        self._plain: BertTokenizer | None = None
        self._add_special_token(start_token, "start_token")
        self._add_special_token(end_token, "end_token")
        self._add_special_token(PAD, "pad_token")
        strip_accents = do_lower_case if strip_accents is None else strip_accents
        super().__init__(vocabulary=vocabulary, lowercase=False, strip_accents=strip_accents, **kwargs)

    def set_vocabulary(self, vocabulary: Sequence[str] | str | Path | None) -> None:
        if isinstance(vocabulary, str | Path):
            vocabulary = read_vocabulary(Path(vocabulary))
        super().set_vocabulary(vocabulary)
        if vocabulary:
            special = SpecialTokens(self.start_token, self.end_token, self.newline_token)
            added = (self.added_tokens, self.normalized_tokens)
            self._plain = BertTokenizer(self.vocabulary, self.do_lower_case, self.strip_accents, *added, special)

    @property
    def plain(self) -> BertTokenizer:
        """What tokenizes outside tf.data.

        Raises:
            RequestError: there is no vocabulary yet.
        """
        if self._plain is None:
            raise RequestError("vocabulary: the tokenizer has none yet; give one, or call set_vocabulary")
        return self._plain

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for name in ("lowercase", "split", "suffix_indicator", "oov_token", "special_tokens"):
            del config[name]
        names = ("do_lower_case", "added_tokens", "normalized_tokens", "start_token", "end_token", "newline_token")
        return {**config, **{name: getattr(self, name) for name in names}}

    def _tokenize_python(self, inputs: Any) -> Any:
        inputs = _unpacked(inputs)
        ids = self._encode_nested(inputs)
        return np.array(ids, dtype=self.compute_dtype) if isinstance(inputs, str | bytes) else ids

    def _tokenize_tf(self, inputs: Any) -> Any:
        import tensorflow as tf

        inputs = tf.convert_to_tensor(inputs)
        self._maybe_initialized_tf()
        words = self._split_tf(tf.reshape(inputs, [-1]))
        too_long = tf.strings.length(words.flat_values, unit="UTF8_CHAR") > MAX_WORD_CHARACTERS
        words = words.with_flat_values(tf.where(too_long, UNKNOWN, words.flat_values))
        ids = self._fast_word_piece.tokenize(words).merge_dims(-2, -1)
        return ids[0] if inputs.shape.rank == 0 else ids

    def _set_vocabulary_tf(self) -> None:
        import tensorflow_text as tf_text

        self._fast_word_piece = tf_text.FastWordpieceTokenizer(
            vocab=self.vocabulary,
            token_out_type=self.compute_dtype,
            suffix_indicator=SUFFIX,
            unknown_token=UNKNOWN,
            max_bytes_per_word=4 * MAX_WORD_CHARACTERS,
            no_pretokenization=True,
            support_detokenization=True,
        )

    def _split_tf(self, text: Tensor) -> Tensor:
        """Strings `(batch,)` to ragged words `(batch, None)`, as `bert_tokenizer.split_words` and special tokens."""
        import tensorflow as tf
        import tensorflow_text as tf_text

        replace = tf.strings.regex_replace
        tokens = [*self.plain.whole_tokens, *self.plain.folded_tokens]
        stand_ins = {token: chr(_FIRST_STAND_IN + i) for i, token in enumerate(tokens)}
        removed = REMOVED.replace(r"\x{E000}-", rf"\x{{{_FIRST_STAND_IN + len(stand_ins):X}}}-")
        text = replace(text, f"[{''.join(stand_ins.values())}]", "\x00")
        if self.newline_token is not None:
            text = replace(text, "\r\n|\r|\n", f" {stand_ins[self.newline_token]} ")
        for token in self.plain.whole_tokens:
            text = replace(text, re.escape(token), f" {stand_ins[token]} ")
        text = replace(replace(text, f"[{removed}]", ""), f"[{SPACE}]", " ")
        if self.strip_accents:
            text = replace(tf_text.normalize_utf8(text, "NFD"), f"[{ACCENT}]", "")
        if self.do_lower_case:
            # Before lower(), which looks at the word around a final sigma; BERT's tokenizer does not.
            text = tf.strings.lower(replace(text, "Σ", "σ"), encoding="utf-8")
        if self.plain.folded_tokens:
            text = replace(text, f"([{CJK}])", r" \1 ")
        for token in self.plain.folded_tokens:
            text = replace(text, re.escape(self.plain.fold(token)), f" {stand_ins[token]} ")
        words = tf_text.regex_split(text, f"[ {MARK}{CJK}]", f"[{MARK}{CJK}]")
        flat = words.flat_values
        for token, stand_in in stand_ins.items():
            flat = tf.where(flat == stand_in, token, flat)
        return words.with_flat_values(flat)

    def _encode_nested(self, inputs: Any) -> list[Any]:
        if isinstance(inputs, bytes):
            inputs = inputs.decode("utf-8")
        if isinstance(inputs, str):
            return self.plain.encode(inputs)
        return [self._encode_nested(item) for item in inputs]

    def _detokenize_python(self, inputs: Any) -> Any:
        return self._decode_nested(_unpacked(inputs))

    def _decode_nested(self, inputs: Any) -> Any:
        if isinstance(inputs, int):
            return self.plain.decode([inputs])
        inputs = [_unpacked(item) for item in inputs]
        if all(isinstance(item, int) for item in inputs):
            return self.plain.decode(inputs)
        return [self._decode_nested(item) for item in inputs]

    def _detokenize_tf(self, inputs: Any) -> Any:
        import tensorflow as tf

        text = super()._detokenize_tf(inputs)
        text = tf.strings.regex_replace(text, f"([{TIGHT}]) ", r"\1")
        return tf.strings.regex_replace(text, f" ([{TIGHT}])", r"\1")


def _unpacked(inputs: Any) -> Any:
    """Tensors and arrays as plain Python lists, strings and numbers."""
    if hasattr(inputs, "to_list"):  # tf.RaggedTensor
        return inputs.to_list()
    if not isinstance(inputs, str | bytes | int | list | tuple):
        inputs = keras.ops.convert_to_numpy(inputs) if keras.ops.is_tensor(inputs) else np.asarray(inputs)
        return inputs.tolist()
    return inputs
