"""GPT-2's byte-level BPE tokenizer, over the `tokenizers` library: no Keras, no TensorFlow."""

import functools
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import tokenizers

from kgpt2.errors import RequestError, escaped, quoted
from kgpt2.files import is_text, read_json, read_text

END_OF_TEXT = "<|endoftext|>"


class BpeTokenizer:
    """Text to ids and back for a GPT-2 vocabulary; start and end token are both <|endoftext|>.

    Args:
        token_to_id: all tokens; the ids run from 0 without a gap.
        merges: pairs of tokens, the first merged first.
        added_tokens: tokens besides <|endoftext|> that are cut out of a text whole, and whether each is special
            (left out when decoding). They are in `token_to_id` too.
        where: the name of the files, for errors.

    Raises:
        RequestError: the parts do not make a GPT-2 tokenizer.
    """

    # What KerasHub pads with; the padding mask hides it. ("!" has the same id, so no mask may be derived from it.)
    pad_id = 0
    end_token = END_OF_TEXT

    def __init__(
        self,
        token_to_id: Mapping[str, int],
        merges: Sequence[tuple[str, str]],
        added_tokens: Mapping[str, bool] | None = None,
        where: str = "vocabulary",
    ):
        self.token_to_id, self.merges = dict(token_to_id), list(merges)
        self.added_tokens = dict(added_tokens or {})
        if END_OF_TEXT not in self.token_to_id:
            raise RequestError(f"{where}: not a GPT-2 vocabulary, it lacks {END_OF_TEXT}")
        if sorted(self.token_to_id.values()) != list(range(len(self.token_to_id))):
            raise RequestError(f"{where}: the ids of the vocabulary do not run from 0 without a gap")
        if missing := [token for token in self.added_tokens if token not in self.token_to_id]:
            raise RequestError(f"{where}: the vocabulary lacks {quoted(missing[0])}")
        try:
            model = tokenizers.models.BPE(self.token_to_id, self.merges)
        except Exception as error:  # the library raises bare Exception
            raise RequestError(f"{where}: merges and vocabulary do not belong together ({escaped(error)})") from None
        self._tokenizer = tokenizers.Tokenizer(model)
        self._tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        self._tokenizer.decoder = tokenizers.decoders.ByteLevel()
        special = [token for token, is_special in self.added_tokens.items() if is_special]
        self._tokenizer.add_special_tokens([END_OF_TEXT, *special])
        self._tokenizer.add_tokens([token for token, is_special in self.added_tokens.items() if not is_special])
        self.start_id = self.end_id = self.token_to_id[END_OF_TEXT]
        self.special_ids = (self.end_id, *(self.token_to_id[token] for token in special))

    @property
    def vocabulary_size(self) -> int:
        return len(self.token_to_id)

    @property
    def default_bans(self) -> tuple[int, ...]:
        """Ids that no good text holds: special tokens but <|endoftext|>."""
        return tuple(index for index in self.special_ids if index != self.end_id)

    @functools.cached_property
    def identity(self) -> str:
        """A digest of all that its tokens depend on."""
        return hashlib.sha256(repr((self.token_to_id, self.merges, self.added_tokens)).encode()).hexdigest()

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without start and end token."""
        return self._tokenizer.encode(text).ids

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        """The ids of each text, without start and end tokens; runs on every core."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, special tokens left out; half a character at the end becomes U+FFFD."""
        return self._tokenizer.decode([int(index) for index in ids], skip_special_tokens=True)


def read_bpe_files(vocabulary: Path, merges: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The content of `vocab.json` (token to id) and `merges.txt` (a pair a line).

    Raises:
        RequestError: a file cannot be read or holds something else.
    """
    token_to_id = read_json(vocabulary, "vocabulary")
    if not isinstance(token_to_id, dict) or not all(type(index) is int for index in token_to_id.values()):
        raise RequestError(f"{vocabulary}: not a GPT-2 vocabulary (a JSON object of tokens and ids)")
    if not all(map(is_text, token_to_id)):
        raise RequestError(f"{vocabulary}: a token holds half a character (a lone surrogate)")
    pairs = []
    for number, line in enumerate(read_text(merges, "merges file").split("\n"), start=1):
        if line and not (number == 1 and line.startswith("#version")):
            pair = tuple(line.removesuffix("\r").split(" "))
            if len(pair) != 2:
                raise RequestError(f"{merges}, line {number}: not a merge (two tokens and a space between)")
            pairs.append(pair)
    return token_to_id, pairs
