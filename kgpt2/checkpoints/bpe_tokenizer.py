"""GPT-2's byte-level BPE tokenizer, over the `tokenizers` library: no Keras, no TensorFlow."""

import functools
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import tokenizers

from kgpt2.checkpoints.special_tokens import SpecialTokens, decode_lines, encode_lines, prompt_ids_in
from kgpt2.errors import RequestError, escaped, quoted
from kgpt2.files import is_text, read_json, read_text

END_OF_TEXT = "<|endoftext|>"


class BpeTokenizer:
    """Text to ids and back for a GPT-2 vocabulary.

    Args:
        token_to_id: all tokens; the ids run from 0 without a gap.
        merges: pairs of tokens, the first merged first.
        added_tokens: tokens besides <|endoftext|> that are cut out of a text whole, and whether each is special
            (left out when decoding). They are in `token_to_id` too.
        where: the name of the files, for errors.
        normalized: those of the added tokens that are looked for after the others.
        tokens: what begins and ends a text (<|endoftext|> where nothing is named) and breaks its lines (nothing).

    Raises:
        RequestError: the parts do not make a GPT-2 tokenizer.

    Example:
        >>> tokenizer = BpeTokenizer({END_OF_TEXT: 0, "a": 1, "b": 2, "ab": 3}, [("a", "b")])
        >>> tokenizer.encode("aab")
        [1, 3]
        >>> tokenizer.decode([1, 3])
        'aab'
    """

    # What KerasHub pads with; the padding mask hides it. ("!" has the same id, so no mask may be derived from it.)
    pad_id = 0

    def __init__(
        self,
        token_to_id: Mapping[str, int],
        merges: Sequence[tuple[str, str]],
        added_tokens: Mapping[str, bool] | None = None,
        where: str = "vocabulary",
        normalized: Collection[str] = (),
        tokens: SpecialTokens | None = None,
    ):
        self.token_to_id, self.merges = dict(token_to_id), list(merges)
        self.added_tokens = dict(added_tokens or {})
        self.normalized = frozenset(normalized)
        self.tokens = (tokens or SpecialTokens()).over(SpecialTokens(END_OF_TEXT, END_OF_TEXT))
        self.start_token, self.end_token = self.tokens.start or END_OF_TEXT, self.tokens.end or END_OF_TEXT
        if absent := {self.start_token, self.end_token} - self.token_to_id.keys():
            raise RequestError(
                f"{where}: not a GPT-2 vocabulary, it lacks {min(absent)}\n"
                "--start-token and --end-token name its own first and last token of a text"
            )
        if sorted(self.token_to_id.values()) != list(range(len(self.token_to_id))):
            raise RequestError(f"{where}: the ids of the vocabulary do not run from 0 without a gap")
        if missing := [token for token in self.added_tokens if token not in self.token_to_id]:
            raise RequestError(f"{where}: the vocabulary lacks {quoted(missing[0])}")
        own = [token for token in (END_OF_TEXT, self.start_token, self.end_token) if token in self.token_to_id]
        special = [*dict.fromkeys(own), *(token for token, is_special in self.added_tokens.items() if is_special)]
        self.start_id, self.end_id = self.token_to_id[self.start_token], self.token_to_id[self.end_token]
        self.prompt_ids = prompt_ids_in(self.token_to_id)
        self.start_ids = (self.start_id, *self.prompt_ids)  # in front of every text
        self.newline_id = self.token_to_id[self.tokens.newline] if self.tokens.newline else None
        self.special_ids = tuple(dict.fromkeys(self.token_to_id[token] for token in special))
        self._tokenizer = self._built(special, where)

    @property
    def vocabulary(self) -> list[str]:
        """The tokens in the order of their ids."""
        return sorted(self.token_to_id, key=self.token_to_id.__getitem__)

    @property
    def vocabulary_size(self) -> int:
        return len(self.token_to_id)

    @property
    def default_bans(self) -> tuple[int, ...]:
        """Ids that no good text holds: special tokens but the end and the line break."""
        return tuple(index for index in self.special_ids if index not in (self.end_id, self.newline_id))

    @functools.cached_property
    def identity(self) -> str:
        """A digest of all that its tokens depend on."""
        told = (self.token_to_id, self.merges, self.added_tokens, sorted(self.normalized), self.tokens)
        return hashlib.sha256(repr(told).encode()).hexdigest()

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without start and end token."""
        return encode_lines(text, self.newline_id, lambda line: self._tokenizer.encode(line).ids)

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        """The ids of each text, without start and end tokens; runs on every core."""
        if self.newline_id is not None:
            return [self.encode(text) for text in texts]
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, special tokens left out; half a character at the end becomes U+FFFD."""
        return decode_lines(ids, self.newline_id, lambda line: self._tokenizer.decode(line, skip_special_tokens=True))

    def _built(self, special: list[str], where: str) -> tokenizers.Tokenizer:
        first = set(special)
        try:
            model = tokenizers.models.BPE(self.token_to_id, self.merges)
        except Exception as error:  # the library raises bare Exception
            raise RequestError(f"{where}: merges and vocabulary do not belong together ({escaped(error)})") from None
        built = tokenizers.Tokenizer(model)
        built.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        built.decoder = tokenizers.decoders.ByteLevel()
        added = {
            token: tokenizers.AddedToken(token, normalized=token in self.normalized, special=token in first)
            for token in (*special, *self.added_tokens)
        }
        built.add_special_tokens([added[token] for token in special])
        built.add_tokens([token for text, token in added.items() if text not in first])
        return built


def is_stock(tokenizer: BpeTokenizer) -> bool:
    """Whether KerasHub's GPT2Tokenizer holds all of it: <|endoftext|> at both ends, and no added tokens but special.

    Example:
        >>> is_stock(BpeTokenizer({END_OF_TEXT: 0, "a": 1}, []))
        True
    """
    own = tokenizer.tokens == SpecialTokens(END_OF_TEXT, END_OF_TEXT)
    return own and all(tokenizer.added_tokens.values()) and not tokenizer.normalized


def whole_tokens(tokenizer: BpeTokenizer) -> list[str]:
    """The tokens that are cut out of a text whole, <|endoftext|> first where it is there.

    Example:
        >>> whole_tokens(BpeTokenizer({END_OF_TEXT: 0, "<mark>": 1}, [], {"<mark>": False}))
        ['<|endoftext|>', '<mark>']
    """
    own = (END_OF_TEXT, *tokenizer.tokens.named().values(), *tokenizer.added_tokens)
    return [token for token in dict.fromkeys(own) if token in tokenizer.token_to_id]


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
