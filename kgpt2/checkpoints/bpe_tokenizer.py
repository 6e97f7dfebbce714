"""GPT-2's byte-level BPE tokenizer, over the `tokenizers` library: no Keras, no TensorFlow."""

from collections.abc import Iterable
from pathlib import Path

import tokenizers

from kgpt2.errors import RequestError
from kgpt2.files import read_json, read_text

END_OF_TEXT = "<|endoftext|>"


class BpeTokenizer:
    """Text to ids and back for a GPT-2 vocabulary; start and end token are both <|endoftext|>.

    Args:
        vocabulary: `vocab.json`, token to id.
        merges: `merges.txt`, a merge a line.

    Raises:
        RequestError: a file cannot be read, or the two do not belong together.
    """

    # What KerasHub pads with; the padding mask hides it. ("!" has the same id, so no mask may be derived from it.)
    pad_id = 0
    default_bans: tuple[int, ...] = ()

    def __init__(self, vocabulary: Path, merges: Path):
        token_to_id = read_json(vocabulary, "vocabulary")
        if not isinstance(token_to_id, dict) or END_OF_TEXT not in token_to_id:
            raise RequestError(f"{vocabulary}: not a GPT-2 vocabulary, it lacks {END_OF_TEXT}")
        lines = read_text(merges, "merges file").splitlines()
        pairs = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
        try:
            model = tokenizers.models.BPE(token_to_id, pairs)
        except Exception as error:  # the library raises bare Exception
            raise RequestError(f"{merges}: does not belong to {vocabulary.name} ({error})") from None
        self._tokenizer = tokenizers.Tokenizer(model)
        self._tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        self._tokenizer.decoder = tokenizers.decoders.ByteLevel()
        self._tokenizer.add_special_tokens([END_OF_TEXT])
        self.start_id = self.end_id = token_to_id[END_OF_TEXT]
        self.special_ids = (self.end_id,)

    @property
    def vocabulary_size(self) -> int:
        return self._tokenizer.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without start and end token."""
        return self._tokenizer.encode(text).ids

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        """The ids of each text, without start and end tokens; runs on every core."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, <|endoftext|> left out; half a character at the end becomes U+FFFD."""
        return self._tokenizer.decode([int(index) for index in ids], skip_special_tokens=True)
