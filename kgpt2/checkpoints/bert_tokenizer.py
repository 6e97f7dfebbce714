"""BERT's WordPiece tokenizer in plain Python, equal to transformers' BertTokenizer token by token.

Sources: the rules are those of google-research/bert `tokenization.py` as the `tokenizers` library carries them out
(special tokens are cut out of the raw text first; clean, isolate CJK characters, strip accents, lower-case, split at
spaces and marks; then greedy longest match).
"""

import functools
import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence

from kgpt2.checkpoints.detokenize import join_pieces
from kgpt2.checkpoints.longest_match import LongestMatch
from kgpt2.checkpoints.special_tokens import SpecialTokens, decode_lines, encode_lines, prompt_ids_in
from kgpt2.checkpoints.unicode_classes import ACCENT, CJK, MARK, REMOVED, SPACE, python_body
from kgpt2.errors import escaped

PAD, UNKNOWN, START, END, MASK = SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SUFFIX = "##"
_UNUSED = re.compile(r"\[unused_?\d+\]", re.IGNORECASE)
MAX_WORD_CHARACTERS = 100

# A lone surrogate can stand in a Python string (from JSON's \ud800), never in UTF-8.
_REMOVED = re.compile(rf"[{python_body(REMOVED)}\ud800-\udfff]")
_SPACE = re.compile(f"[{python_body(SPACE)}]")
_ACCENT = re.compile(f"[{python_body(ACCENT)}]")
_CJK = re.compile(f"[{python_body(CJK)}]")
_WORD = re.compile(rf"[{python_body(MARK + CJK)}]|[^ {python_body(MARK + CJK)}]+")


class BertTokenizer:
    """Text to ids and back for a BERT vocabulary.

    Args:
        vocabulary: the tokens in the order of their ids; [PAD], [UNK], the start and the end token must be among them.
            "" holds the place of an id that has no token.
        do_lower_case: lower-case the text.
        strip_accents: drop accents (None: as `do_lower_case`).
        added_tokens: tokens of the vocabulary that are cut out of a text whole, as the special ones are, and whether
            each is special itself (left out when decoding).
        normalized: those of them that are looked for in the text as it is after cleaning and lower-casing.
        tokens: what begins and ends a text ([CLS] and [SEP] where nothing is named) and breaks its lines (nothing).

    Raises:
        ValueError: a special token is missing from the vocabulary, or an added one is empty or very long.

    Example:
        >>> tokenizer = BertTokenizer([*SPECIAL_TOKENS, *"春风"])
        >>> tokenizer.encode("春风秋")
        [5, 6, 1]
        >>> tokenizer.decode([5, 6, 1])
        '春风[UNK]'
    """

    def __init__(
        self,
        vocabulary: Sequence[str],
        do_lower_case: bool = False,
        strip_accents: bool | None = None,
        added_tokens: Mapping[str, bool] | None = None,
        normalized: Collection[str] = (),
        tokens: SpecialTokens | None = None,
    ):
        self.vocabulary = list(vocabulary)
        self.do_lower_case = do_lower_case
        self.strip_accents = do_lower_case if strip_accents is None else strip_accents
        self.token_to_id = {token: index for index, token in enumerate(self.vocabulary) if token}
        self.added_tokens = dict(added_tokens or {})
        self.normalized = frozenset(normalized)
        self.tokens = (tokens or SpecialTokens()).over(SpecialTokens(START, END))
        self.start_token, self.end_token = self.tokens.start or START, self.tokens.end or END
        needed = (PAD, UNKNOWN, *self.tokens.named().values(), *self.added_tokens)
        missing = [token for token in dict.fromkeys(needed) if token not in self.token_to_id]
        if missing:
            raise ValueError(f"the vocabulary lacks {escaped(', '.join(missing))}")
        self.pad_id, self.unknown_id = self.token_to_id[PAD], self.token_to_id[UNKNOWN]
        self.start_id, self.end_id = self.token_to_id[self.start_token], self.token_to_id[self.end_token]
        self.prompt_ids = prompt_ids_in(self.token_to_id)
        self.start_ids = (self.start_id, *self.prompt_ids)  # in front of every text
        self.newline_id = self.token_to_id[self.tokens.newline] if self.tokens.newline else None
        special = [token for token in SPECIAL_TOKENS if token in self.token_to_id]
        special += [token for token, is_special in self.added_tokens.items() if is_special]
        special += [self.start_token, self.end_token]
        self.special_ids = tuple(dict.fromkeys(self.token_to_id[token] for token in special))
        self._whole = LongestMatch(self.whole_tokens)
        self._folded = {self.fold(token): self.token_to_id[token] for token in self.folded_tokens}
        self._folded_match = LongestMatch(self._folded)
        self._word_ids = functools.lru_cache(maxsize=65536)(self._match_word)

    @property
    def vocabulary_size(self) -> int:
        return len(self.vocabulary)

    @property
    def whole_tokens(self) -> list[str]:
        """Tokens that are cut out of a text before anything else is done to it; the longest first."""
        own = {*SPECIAL_TOKENS, *self.tokens.named().values()} & self.token_to_id.keys()
        return sorted((own | self.added_tokens.keys()) - self.normalized, key=lambda token: (-len(token), token))

    @property
    def folded_tokens(self) -> list[str]:
        """Tokens that are cut out of a text when it is cleaned and lower-cased; the longest first."""
        return sorted(self.normalized, key=lambda token: (-len(token), token))

    @property
    def default_bans(self) -> tuple[int, ...]:
        """Ids that no good text holds: empty and special tokens but the end and the line break, and in vocabularies
        like Google's, which have [unused] places, these and the `##` pieces.

        A vocabulary that was counted from a text holds only the `##` pieces which that text needs: they stay.
        """
        banned = set(self.special_ids) | {index for index, token in enumerate(self.vocabulary) if not token}
        if any(map(_UNUSED.fullmatch, self.vocabulary)):
            banned.update(i for i, t in enumerate(self.vocabulary) if t.startswith(SUFFIX) or _UNUSED.fullmatch(t))
        return tuple(sorted(banned - {self.end_id, self.newline_id}))

    @functools.cached_property
    def identity(self) -> str:
        """A digest of all that its tokens depend on."""
        told = (self.vocabulary, self.do_lower_case, self.strip_accents, self.added_tokens)
        return hashlib.sha256(repr((*told, sorted(self.normalized), self.tokens)).encode()).hexdigest()

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without start and end token."""
        return encode_lines(text, self.newline_id, self._encode_line)

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        """The ids of each text, without start and end tokens."""
        return [self.encode(text) for text in texts]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids: special tokens but [UNK] left out, no stray spaces."""
        hidden = set(self.special_ids) - {self.unknown_id}

        def line(ids: list[int]) -> str:
            return join_pieces(token for i in ids if i not in hidden and (token := self.vocabulary[i]))

        return decode_lines(ids, self.newline_id, line)

    def _encode_line(self, text: str) -> list[int]:
        ids: list[int] = []
        position = 0
        for start, end in self._whole.spans(text):
            ids += self._encode_plain(text[position:start])
            ids.append(self.token_to_id[text[start:end]])
            position = end
        return ids + self._encode_plain(text[position:])

    def _encode_plain(self, text: str) -> list[int]:
        """A text without tokens that are cut out of it as it was given."""
        if not self._folded:
            return self._encode_words(split_words(text, self.do_lower_case, self.strip_accents))
        text, ids, position = self.fold(text), [], 0
        for start, end in self._folded_match.spans(text):
            ids += self._encode_words(_WORD.findall(text[position:start]))
            ids.append(self._folded[text[start:end]])
            position = end
        return ids + self._encode_words(_WORD.findall(text[position:]))

    def fold(self, text: str) -> str:
        """A text cleaned and lower-cased, and with spaces around its CJK characters."""
        return _CJK.sub(r" \g<0> ", normalise(text, self.do_lower_case, self.strip_accents))

    def _encode_words(self, words: list[str]) -> list[int]:
        known = self.token_to_id.get
        ids = [known(word, -1) for word in words]
        if -1 not in ids:
            return ids
        return [index for word in words for index in self._word_ids(word)]

    def _match_word(self, word: str) -> list[int]:
        """Greedy longest match; one [UNK] for the word where any part of it is not in the vocabulary."""
        if len(word) > MAX_WORD_CHARACTERS:
            return [self.unknown_id]
        ids, start = [], 0
        while start < len(word):
            prefix = SUFFIX if start else ""
            for end in range(len(word), start, -1):
                index = self.token_to_id.get(prefix + word[start:end])
                if index is not None:
                    break
            else:
                return [self.unknown_id]
            ids.append(index)
            start = end
        return ids


def split_words(text: str, do_lower_case: bool = False, strip_accents: bool = False) -> list[str]:
    """Words, marks and CJK characters of a text, in order, as BERT's basic tokenizer splits it.

    Example:
        >>> split_words("Ich mag 春风!", do_lower_case=True)
        ['ich', 'mag', '春', '风', '!']
    """
    return _WORD.findall(normalise(text, do_lower_case, strip_accents))


def normalise(text: str, do_lower_case: bool = False, strip_accents: bool = False) -> str:
    r"""A text cleaned, every white space a plain one, and where asked for without accents and in lower case.

    Example:
        >>> normalise("Café\t春", do_lower_case=True, strip_accents=True)
        'cafe 春'
    """
    text = _SPACE.sub(" ", _REMOVED.sub("", text))
    if strip_accents and not text.isascii():
        text = _ACCENT.sub("", unicodedata.normalize("NFD", text))
    if do_lower_case:
        # By character: str.lower() looks at the word around a final sigma, which BERT's tokenizer does not.
        text = "".join(map(str.lower, text)) if "Σ" in text else text.lower()
    return text
