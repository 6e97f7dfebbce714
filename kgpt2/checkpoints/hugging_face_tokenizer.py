"""The tokenizer of a Hugging Face folder, from whichever of its files are there.

`vocab.txt` and `vocab.json` with `merges.txt` are read first, `tokenizer.json` where they are missing (transformers 5
writes nothing else). What these files can ask for and GPT-2's two tokenizers cannot do is refused, never guessed.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kgpt2.checkpoints.added_tokens import Added, as_list, in_order, read_added
from kgpt2.checkpoints.bert_tokenizer import END, SPECIAL_TOKENS, START, BertTokenizer
from kgpt2.checkpoints.bpe_tokenizer import END_OF_TEXT, BpeTokenizer, read_bpe_files
from kgpt2.checkpoints.checkpoint import Tokenizer
from kgpt2.checkpoints.hugging_face_config import UNTOLD_ID, told_ids
from kgpt2.checkpoints.special_tokens import SpecialTokens
from kgpt2.checkpoints.vocabulary import read_vocabulary
from kgpt2.errors import RequestError, escaped, quoted
from kgpt2.files import read_object

FILES = (
    *("vocab.txt", "vocab.json", "merges.txt", "tokenizer.json"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
)
# transformers' names for BERT's rules, for GPT-2's, and for whatever rules tokenizer.json spells out.
_BERT = {f"{name}Tokenizer{fast}" for name in ("Bert", "DistilBert", "Electra") for fast in ("", "Fast")}
_GPT2 = {"GPT2Tokenizer", "GPT2TokenizerFast"}
_SPELT_OUT = {"PreTrainedTokenizerFast", "TokenizersBackend"}


def read_hugging_face_tokenizer(
    folder: Path, model: Mapping[str, Any] | None = None, tokens: SpecialTokens | None = None
) -> Tokenizer:
    """The tokenizer of a folder.

    Args:
        folder: with the tokenizer's files.
        model: the ids of first and last tokens and the number of rows, under the names of the model's config.json.
        tokens: what begins and ends a text and breaks its lines, where a user names it.

    Raises:
        RequestError: files are missing or broken, or ask for what kgpt2 does not do.
    """
    model, tokens = model or {}, tokens or SpecialTokens()
    config = {**_object(folder / "special_tokens_map.json"), **_object(folder / "tokenizer_config.json")}
    fast = _object(folder / "tokenizer.json")
    for section in ("model", "normalizer", "pre_tokenizer"):
        if not isinstance(fast.get(section), dict | None):
            raise RequestError(f"{folder / 'tokenizer.json'}: its {section} is no JSON object")
    _refuse_look_alikes(folder, config.get("tokenizer_class") or model.get("tokenizer_class"), config)
    if (folder / "vocab.txt").is_file():
        if fast.get("model"):
            _require_wordpiece(folder / "tokenizer.json", fast)
        return _bert(folder, config, fast, read_vocabulary(folder / "vocab.txt"), model, tokens)
    if (folder / "vocab.json").is_file():
        token_to_id, merges = read_bpe_files(folder / "vocab.json", folder / "merges.txt")
        if fast.get("model"):
            _require_byte_level(folder / "tokenizer.json", fast)
        return _bpe(folder, config, fast, token_to_id, merges, model, tokens)
    kind = (fast.get("model") or {}).get("type")
    vocabulary = (fast.get("model") or {}).get("vocab")
    if kind == "WordPiece":
        _require_wordpiece(folder / "tokenizer.json", fast)
        listed = in_order(folder / "tokenizer.json", vocabulary, gaps=True)
        return _bert(folder, config, fast, listed, model, tokens)
    if kind == "BPE":
        _require_byte_level(folder / "tokenizer.json", fast)
        merges = _merges(folder / "tokenizer.json", fast["model"].get("merges"))
        token_to_id = {token: i for i, token in enumerate(in_order(folder / "tokenizer.json", vocabulary))}
        return _bpe(folder, config, fast, token_to_id, merges, model, tokens)
    if fast:
        path = folder / "tokenizer.json"
        raise RequestError(f"{path}: a {escaped(kind)} tokenizer; GPT-2 has byte-level BPE or WordPiece")
    raise RequestError(f"{folder}: no tokenizer (none of vocab.txt, vocab.json with merges.txt, tokenizer.json)")


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder holds a vocabulary."""
    return any((folder / name).is_file() for name in ("vocab.txt", "vocab.json", "tokenizer.json"))


def _refuse_look_alikes(folder: Path, kind: object, config: Mapping[str, Any]) -> None:
    """Other tokenizers keep a vocabulary in the same files, and split texts otherwise."""
    where = folder / "tokenizer_config.json"
    if kind is not None and (not isinstance(kind, str) or kind not in _BERT | _GPT2 | _SPELT_OUT):
        named = escaped(kind) if isinstance(kind, str) else quoted(kind)
        raise RequestError(f"{where}: its tokenizer is a {named}; kgpt2 reads BertTokenizer and GPT2Tokenizer")
    for key in ("auto_map", "word_tokenizer_type", "subword_tokenizer_type"):
        if config.get(key):
            raise RequestError(f"{where}: {key} is set, so its tokenizer is neither BertTokenizer nor GPT2Tokenizer")


def _bert(
    folder: Path,
    config: dict[str, Any],
    fast: dict[str, Any],
    vocabulary: list[str],
    model: Mapping[str, Any],
    tokens: SpecialTokens,
) -> BertTokenizer:
    normalizer = fast.get("normalizer") or {}
    lower = config.get("do_lower_case", normalizer.get("lowercase", True))
    strip_accents = config.get("strip_accents", normalizer.get("strip_accents"))
    if config.get("tokenize_chinese_chars", True) is not True:
        raise RequestError(
            f"{folder / 'tokenizer_config.json'}: tokenize_chinese_chars is off, which kgpt2 does not do"
        )
    if not isinstance(lower, bool) or not isinstance(strip_accents, bool | None):
        raise RequestError(f"{folder / 'tokenizer_config.json'}: do_lower_case or strip_accents is not true or false")
    rows = model.get("vocab_size")
    while isinstance(rows, int) and len(vocabulary) > rows and not vocabulary[-1]:
        vocabulary = vocabulary[:-1]  # empty lines behind the last token
    known = {token: index for index, token in enumerate(vocabulary) if token}
    added = read_added(folder, config, fast, known, len(vocabulary), rows)
    vocabulary = vocabulary + [token for token in added if token not in known]
    added = {token: one for token, one in added.items() if token not in SPECIAL_TOKENS}
    told = _told(folder, config, model, vocabulary, SpecialTokens(START, END))
    try:
        return BertTokenizer(vocabulary, lower, strip_accents, **_arguments(added, tokens.over(told), vocabulary))
    except ValueError as error:
        raise RequestError(f"{folder}: {error}") from None


def _bpe(
    folder: Path,
    config: dict[str, Any],
    fast: dict[str, Any],
    token_to_id: dict[str, int],
    merges: list[tuple[str, str]],
    model: Mapping[str, Any],
    tokens: SpecialTokens,
) -> BpeTokenizer:
    if config.get("add_prefix_space"):
        raise RequestError(f"{folder / 'tokenizer_config.json'}: add_prefix_space is on, which GPT-2 does not have")
    added = read_added(folder, config, fast, token_to_id, len(token_to_id), model.get("vocab_size"))
    whole = dict(token_to_id)
    for token in added:
        whole.setdefault(token, len(whole))
    added.pop(END_OF_TEXT, None)
    by_id = sorted(whole, key=whole.__getitem__)
    told = _told(folder, config, model, by_id, SpecialTokens(END_OF_TEXT, END_OF_TEXT))
    return BpeTokenizer(whole, merges, where=str(folder), **_arguments(added, tokens.over(told), whole))


def _arguments(added: Mapping[str, Added], tokens: SpecialTokens, vocabulary: Any) -> dict[str, Any]:
    tokens.require_in(vocabulary)
    return {
        "added_tokens": {token: one.special for token, one in added.items()},
        "normalized": [token for token, one in added.items() if one.normalized],
        "tokens": tokens,
    }


def _told(
    folder: Path, config: dict[str, Any], model: Mapping[str, Any], vocabulary: list[str], family: SpecialTokens
) -> SpecialTokens:
    """What the files say of the first and last token of a text, and of line breaks.

    An id in generation_config.json or config.json counts most, unless it is the one that GPT2Config has where nobody
    said anything; then what the tokenizer names.
    """
    known = set(vocabulary)
    generation = _object(folder / "generation_config.json")

    def by_id(key: str) -> str | None:
        for source in (generation, model):
            ids = told_ids(source, key, len(vocabulary))
            if len(ids) == 1 and ids[0] != UNTOLD_ID and vocabulary[ids[0]]:
                return vocabulary[ids[0]]
        return None

    def named(verb: str, *roles: str) -> str | None:
        for role in roles:
            value = config.get(role)
            token = value.get("content") if isinstance(value, dict) else value
            if isinstance(token, str) and token in known:
                return token
            if isinstance(token, str) and token not in (family.start, family.end):
                raise RequestError(
                    f"{folder / 'tokenizer_config.json'}: its texts {verb} with {quoted(token)}, "
                    "which its vocabulary does not have"
                )
        return None

    return SpecialTokens(
        by_id("bos_token_id") or named("begin", "bos_token", "cls_token"),
        by_id("eos_token_id") or named("end", "eos_token", "sep_token"),
        by_id("newline_token_id"),
    )


def _require_wordpiece(path: Path, fast: dict[str, Any]) -> None:
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


def _require_byte_level(path: Path, fast: dict[str, Any]) -> None:
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


def _merges(path: Path, merges: object) -> list[tuple[str, str]]:
    """The merges of tokenizer.json: "a b" in files of older versions, ["a", "b"] in newer ones."""
    split = [merge.split(" ") if isinstance(merge, str) else merge for merge in as_list(path, merges)]
    pairs = [tuple(as_list(path, merge)) for merge in split]
    if not all(len(pair) == 2 and all(isinstance(token, str) for token in pair) for pair in pairs):
        raise RequestError(f"{path}: its merges are no pairs of tokens")
    return pairs


def _object(path: Path) -> dict[str, Any]:
    if not os.path.lexists(path):
        return {}
    return read_object(path, "part of a tokenizer")
