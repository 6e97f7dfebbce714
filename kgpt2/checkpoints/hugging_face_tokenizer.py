"""The tokenizer of a Hugging Face folder, from whichever of its files are there.

`vocab.txt` and `vocab.json` with `merges.txt` are read first, `tokenizer.json` where they are missing (transformers 5
writes nothing else). What these files can ask for and GPT-2's two tokenizers cannot do is refused, never guessed.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from kgpt2.checkpoints.bert_tokenizer import BertTokenizer
from kgpt2.checkpoints.bpe_tokenizer import END_OF_TEXT, BpeTokenizer, read_bpe_files
from kgpt2.checkpoints.checkpoint import Tokenizer
from kgpt2.checkpoints.vocabulary import read_vocabulary
from kgpt2.errors import RequestError, escaped, quoted
from kgpt2.files import is_text, read_object

FILES = (
    *("vocab.txt", "vocab.json", "merges.txt", "tokenizer.json"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
)


def read_hugging_face_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a folder.

    Raises:
        RequestError: files are missing or broken, or ask for what kgpt2 does not do.
    """
    config = _object(folder / "tokenizer_config.json")
    fast = _object(folder / "tokenizer.json")
    for section in ("model", "normalizer", "pre_tokenizer"):
        if not isinstance(fast.get(section), dict | None):
            raise RequestError(f"{folder / 'tokenizer.json'}: its {section} is no JSON object")
    if (folder / "vocab.txt").is_file():
        return _bert(folder, config, fast, read_vocabulary(folder / "vocab.txt"))
    if (folder / "vocab.json").is_file():
        token_to_id, merges = read_bpe_files(folder / "vocab.json", folder / "merges.txt")
        return _bpe(folder, config, fast, token_to_id, merges)
    model = fast.get("model") or {}
    kind = model.get("type")
    if kind == "WordPiece":
        _require_wordpiece(folder / "tokenizer.json", fast)
        return _bert(folder, config, fast, _in_order(folder / "tokenizer.json", model.get("vocab")))
    if kind == "BPE":
        _require_byte_level(folder / "tokenizer.json", fast)
        merges = _merges(folder / "tokenizer.json", model.get("merges"))
        token_to_id = {token: i for i, token in enumerate(_in_order(folder / "tokenizer.json", model.get("vocab")))}
        return _bpe(folder, config, fast, token_to_id, merges)
    if fast:
        path = folder / "tokenizer.json"
        raise RequestError(f"{path}: a {escaped(kind)} tokenizer; GPT-2 has byte-level BPE or WordPiece")
    raise RequestError(f"{folder}: no tokenizer (none of vocab.txt, vocab.json with merges.txt, tokenizer.json)")


def _bert(folder: Path, config: dict, fast: dict, vocabulary: list[str]) -> BertTokenizer:
    normalizer = fast.get("normalizer") or {}
    lower = config.get("do_lower_case", normalizer.get("lowercase", True))
    strip_accents = config.get("strip_accents", normalizer.get("strip_accents"))
    if config.get("tokenize_chinese_chars", True) is not True:
        raise RequestError(
            f"{folder / 'tokenizer_config.json'}: tokenize_chinese_chars is off, which kgpt2 does not do"
        )
    if not isinstance(lower, bool) or not isinstance(strip_accents, bool | None):
        raise RequestError(f"{folder / 'tokenizer_config.json'}: do_lower_case or strip_accents is not true or false")
    added = _added_tokens(folder, config, fast, {token: i for i, token in enumerate(vocabulary)})
    known = set(vocabulary)
    vocabulary = vocabulary + [token for token in added if token not in known]
    try:
        return BertTokenizer(vocabulary, lower, strip_accents, added)
    except ValueError as error:
        raise RequestError(f"{folder}: {error}") from None


def _bpe(
    folder: Path, config: dict, fast: dict, token_to_id: dict[str, int], merges: list[tuple[str, str]]
) -> BpeTokenizer:
    if config.get("add_prefix_space"):
        raise RequestError(f"{folder / 'tokenizer_config.json'}: add_prefix_space is on, which GPT-2 does not have")
    added = _added_tokens(folder, config, fast, token_to_id)
    added.pop(END_OF_TEXT, None)
    whole = dict(token_to_id)
    for token in added:
        whole.setdefault(token, len(whole))
    end = config.get("eos_token")
    end = end.get("content") if isinstance(end, dict) else end
    if end is not None and end != END_OF_TEXT:
        raise RequestError(
            f"{folder / 'tokenizer_config.json'}: its texts end with {quoted(end)}; the GPT-2 classes of KerasHub "
            f"know no end but {END_OF_TEXT}"
        )
    return BpeTokenizer(whole, merges, added, where=str(folder))


def _added_tokens(folder: Path, config: dict, fast: dict, token_to_id: Mapping[str, int]) -> dict[str, bool]:
    """Tokens to be cut out whole and whether they are special, by their ids; those beyond the vocabulary come last.

    BERT's own special tokens, which every file lists again, are left out.
    """
    entries: dict[str, dict] = {}
    named = _object(folder / "added_tokens.json")
    listed = fast.get("added_tokens") or []
    decoder = config.get("added_tokens_decoder") or {}
    where = folder / ("tokenizer_config.json" if decoder else "tokenizer.json")
    if not isinstance(decoder, dict) or not isinstance(listed, list):
        raise RequestError(f"{where}: the added tokens are no list")
    oldest = ({"content": token, "id": index} for token, index in named.items())
    for entry in [*oldest, *listed, *({**_entry(where, value), "id": key} for key, value in decoder.items())]:
        entries[_content(where, entry)] = entry
    added = {}
    for token, entry in entries.items():
        index = _id(where, token, entry.get("id"))
        if any(entry.get(flag) for flag in ("lstrip", "rstrip", "single_word")):
            raise RequestError(
                f"{where}: {quoted(token)} takes spaces with it or asks for word ends, which kgpt2 does not do"
            )
        if token_to_id.get(token, index) != index:
            there = token_to_id[token]
            raise RequestError(f"{where}: {quoted(token)} has the id {index}, the vocabulary gives it {there}")
        added[token] = (index, bool(entry.get("special")))
    beyond = sorted(index for token, (index, _) in added.items() if token not in token_to_id)
    if beyond != list(range(len(token_to_id), len(token_to_id) + len(beyond))):
        raise RequestError(f"{where}: the ids of the added tokens do not follow those of the vocabulary")
    own = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
    ordered = sorted(added.items(), key=lambda item: item[1][0])
    return {token: special for token, (_, special) in ordered if token not in own}


def _require_wordpiece(path: Path, fast: dict) -> None:
    model, normalizer, before = fast["model"], fast.get("normalizer") or {}, fast.get("pre_tokenizer") or {}
    good = (
        model.get("unk_token") == "[UNK]"
        and model.get("continuing_subword_prefix") == "##"
        and model.get("max_input_chars_per_word", 100) == 100
        and normalizer.get("type") == "BertNormalizer"
        and normalizer.get("clean_text") is True
        and normalizer.get("handle_chinese_chars") is True
        and before.get("type") == "BertPreTokenizer"
    )
    if not good:
        raise RequestError(f"{path}: a WordPiece tokenizer, but not BERT's (model, normalizer or pre_tokenizer differ)")


def _require_byte_level(path: Path, fast: dict) -> None:
    model, before = fast["model"], fast.get("pre_tokenizer") or {}
    good = (
        not any(model.get(key) for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"))
        and not any(model.get(key) for key in ("byte_fallback", "ignore_merges"))
        and not fast.get("normalizer")
        and before.get("type") == "ByteLevel"
        and not before.get("add_prefix_space")
        and before.get("use_regex", True) is True
    )
    if not good:
        raise RequestError(f"{path}: a BPE tokenizer, but not GPT-2's (model, normalizer or pre_tokenizer differ)")


def _in_order(path: Path, vocabulary: object) -> list[str]:
    ids = vocabulary.values() if isinstance(vocabulary, dict) else [None]
    if isinstance(vocabulary, dict) and not all(map(is_text, vocabulary)):
        raise RequestError(f"{path}: a token of its vocabulary holds half a character (a lone surrogate)")
    if not all(type(index) is int for index in ids) or sorted(ids) != list(range(len(ids))):
        raise RequestError(f"{path}: the ids of its vocabulary do not run from 0 without a gap")
    return sorted(vocabulary, key=vocabulary.__getitem__)


def _merges(path: Path, merges: object) -> list[tuple[str, str]]:
    """The merges of tokenizer.json: "a b" in files of older versions, ["a", "b"] in newer ones."""
    split = [merge.split(" ") if isinstance(merge, str) else merge for merge in _list(path, merges)]
    pairs = [tuple(_list(path, merge)) for merge in split]
    if not all(len(pair) == 2 and all(isinstance(token, str) for token in pair) for pair in pairs):
        raise RequestError(f"{path}: its merges are no pairs of tokens")
    return pairs


def _list(path: Path, value: object) -> list:
    if not isinstance(value, list):
        raise RequestError(f"{path}: a list was expected where {quoted(value)} stands")
    return value


def _entry(path: Path, value: object) -> dict:
    if not isinstance(value, dict):
        raise RequestError(f"{path}: an added token is no object")
    return value


def _content(path: Path, entry: object) -> str:
    token = _entry(path, entry).get("content")
    if not isinstance(token, str) or not token or not is_text(token):
        raise RequestError(f"{path}: an added token is {quoted(token)}, which is no text")
    return token


def _id(path: Path, token: str, value: object) -> int:
    """An id as a number, or as the text that the keys of JSON are."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if type(value) is not int:
        raise RequestError(f"{path}: the added token {quoted(token)} has no id")
    return value


def _object(path: Path) -> dict:
    if not os.path.lexists(path):
        return {}
    return read_object(path, "part of a tokenizer")
