"""The tokens that a Hugging Face tokenizer has beside its vocabulary, or cuts out of a text whole."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kgpt2.errors import RequestError, quoted
from kgpt2.files import is_text, read_object

_ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_LISTS = ("additional_special_tokens", "extra_special_tokens")


@dataclasses.dataclass(frozen=True)
class Added:
    """A token that is cut out of a text whole.

    Attributes:
        index: its id.
        special: left out when decoding.
        normalized: looked for in the text as it is after cleaning and lower-casing.
    """

    index: int
    special: bool
    normalized: bool


def read_added(
    folder: Path,
    config: Mapping[str, Any],
    fast: Mapping[str, Any],
    token_to_id: Mapping[str, int],
    size: int,
    rows: object = None,
) -> dict[str, Added]:
    """The added tokens by their ids; those beyond the vocabulary come last.

    Args:
        folder: of the tokenizer.
        config: tokenizer_config.json.
        fast: tokenizer.json.
        token_to_id: the vocabulary.
        size: its number of ids.
        rows: of the embedding, where they are known: a token without a row is none of the model's.

    Raises:
        RequestError: the files ask for what kgpt2 does not do, or contradict the vocabulary.
    """
    where, entries = _entries(folder, config, fast)
    added: dict[str, Added] = {}
    for token, entry in entries.items():
        index = _index(where, token, entry)
        if any(entry.get(flag) for flag in ("lstrip", "rstrip", "single_word")):
            raise RequestError(
                f"{where}: {quoted(token)} takes spaces with it or asks for word ends, which kgpt2 does not do"
            )
        if token_to_id.get(token, index) != index:
            there = token_to_id[token]
            raise RequestError(f"{where}: {quoted(token)} has the id {index}, the vocabulary gives it {there}")
        special = bool(entry.get("special"))
        added[token] = Added(index, special, bool(entry.get("normalized", not special)))
    beyond = sorted(one.index for token, one in added.items() if token not in token_to_id)
    if beyond != list(range(size, size + len(beyond))):
        raise RequestError(f"{where}: the ids of the added tokens do not follow those of the vocabulary")
    last = rows if isinstance(rows, int) else size + len(beyond)
    # A token that has a role and no id gets the next one.
    for token in _named(config):
        if token not in token_to_id and token not in added and size + len(beyond) < last:
            added[token] = Added(size + len(beyond), True, False)
            beyond.append(added[token].index)
    ordered = sorted(added.items(), key=lambda item: item[1].index)
    return {token: one for token, one in ordered if token in token_to_id or one.index < last}


def in_order(path: Path, vocabulary: object, gaps: bool = False) -> list[str]:
    """The tokens of a tokenizer.json in the order of their ids.

    Args:
        path: the file, for errors.
        vocabulary: ids by tokens.
        gaps: whether ids may be missing where the vocabulary has the empty token: several empty lines of a vocab.txt
            leave the last one's id alone. "" holds their places.

    Raises:
        RequestError: ids are missing or no numbers.
    """
    refused = RequestError(f"{path}: the ids of its vocabulary do not run from 0 without a gap")
    if not isinstance(vocabulary, dict) or not all(type(index) is int for index in vocabulary.values()):
        raise refused
    if not all(map(is_text, vocabulary)):
        raise RequestError(f"{path}: a token of its vocabulary holds half a character (a lone surrogate)")
    size = max(vocabulary.values(), default=-1) + 1
    missing = size - len(set(vocabulary.values()))
    whole = min(vocabulary.values(), default=0) >= 0 and size == len(vocabulary) + missing
    if not whole or (missing and not (gaps and "" in vocabulary and missing < len(vocabulary))):
        raise refused
    tokens = [""] * size
    for token, index in vocabulary.items():
        tokens[index] = token
    return tokens


def as_list(path: Path, value: object) -> list[Any]:
    """A value that must be a list.

    Raises:
        RequestError: it is something else.
    """
    if not isinstance(value, list):
        raise RequestError(f"{path}: a list was expected where {quoted(value)} stands")
    return value


def _entries(
    folder: Path, config: Mapping[str, Any], fast: Mapping[str, Any]
) -> tuple[Path, dict[str, dict[str, Any]]]:
    """What the three files say of each token, the last of them counting most, and the file to name in errors."""
    special = set(_named(config))
    path = folder / "added_tokens.json"
    listed = read_object(path, "part of a tokenizer") if os.path.lexists(path) else {}
    oldest = [{"content": token, "id": index, "special": token in special} for token, index in listed.items()]
    rows, decoder = fast.get("added_tokens") or [], config.get("added_tokens_decoder") or {}
    where = folder / ("tokenizer_config.json" if decoder else "tokenizer.json")
    if not isinstance(decoder, dict) or not isinstance(rows, list):
        raise RequestError(f"{where}: the added tokens are no list")
    entries: dict[str, dict[str, Any]] = {}
    for key, entry in [*((None, row) for row in (*oldest, *rows)), *decoder.items()]:
        token = _content(where, entry)
        entries[token] = entry if key is None else {**entry, "id": key}
    return where, entries


def _content(where: Path, entry: object) -> str:
    if not isinstance(entry, dict):
        raise RequestError(f"{where}: an added token is no object")
    token = entry.get("content")
    if not isinstance(token, str) or not token or not is_text(token):
        raise RequestError(f"{where}: an added token is {quoted(token)}, which is no text")
    return token


def _index(where: Path, token: str, entry: Mapping[str, Any]) -> int:
    """An id as a number, or as the text that the keys of JSON are."""
    value = entry.get("id")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if type(value) is not int:
        raise RequestError(f"{where}: the added token {quoted(token)} has no id")
    return value


def _named(config: Mapping[str, Any]) -> list[str]:
    """The tokens that have a role, in the order in which transformers adds those that are missing."""
    values = [config.get(role) for role in _ROLES]
    for name in _LISTS:
        more = config.get(name)
        values += more if isinstance(more, list) else []
    tokens = [value.get("content") if isinstance(value, dict) else value for value in values]
    return list(dict.fromkeys(token for token in tokens if isinstance(token, str) and token))
