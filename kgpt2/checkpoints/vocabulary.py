"""A BERT vocabulary on disk (`vocab.txt`, a token a line), and one counted from a text."""

import collections
from collections.abc import Iterable
from pathlib import Path

from kgpt2.checkpoints.bert_tokenizer import PAD, SPECIAL_TOKENS, SUFFIX, UNKNOWN, split_words
from kgpt2.errors import RequestError, quoted
from kgpt2.files import read_text


def read_vocabulary(path: Path) -> list[str]:
    """The tokens of a `vocab.txt` in the order of their ids.

    An id is the number of a line, so an empty line holds the place of an id that no text has. Lines end at a line feed
    and nowhere else, and keep their white space: a token may be a rare kind of space.

    Raises:
        RequestError: the file cannot be read, lacks [PAD] or [UNK], or has a token twice.
    """
    text = read_text(path, "vocabulary").replace("\r\n", "\n")
    tokens = text.removesuffix("\n").split("\n")
    first: dict[str, int] = {}
    for line, token in enumerate(tokens):
        if token and first.setdefault(token, line) != line:
            raise RequestError(f"{path}, line {line + 1}: {quoted(token)} stands in line {first[token] + 1} already")
    missing = [token for token in (PAD, UNKNOWN) if token not in first]
    if missing:
        raise RequestError(f"{path}: not a BERT vocabulary, it lacks {', '.join(missing)}")
    return tokens


def count_vocabulary(texts: Iterable[str], least: int = 1) -> list[str]:
    """A vocabulary for texts: special tokens, then the characters that come at least so often, frequent first.

    With 1 every text can be written without [UNK].

    A character that stands inside a Latin word or a number appears as a `##` piece, as WordPiece needs it.

    Example:
        >>> count_vocabulary(["春风春雨"])
        ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', '春', '雨', '风']
    """
    words: collections.Counter[str] = collections.Counter()
    for text in texts:
        words.update(split_words(text))
    counts: collections.Counter[str] = collections.Counter()
    for word, count in words.items():
        counts[word[0]] += count
        for character in word[1:]:
            counts[SUFFIX + character] += count
    kept = [token for token, count in counts.items() if count >= least]
    by_frequency = sorted(kept, key=lambda token: (-counts[token], token))
    return [*SPECIAL_TOKENS, *by_frequency]
