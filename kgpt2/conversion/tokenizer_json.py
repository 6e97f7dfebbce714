"""A tokenizer as the `tokenizers` library writes it (tokenizer.json), so that any program with it gives the same ids.

It puts the start token, and a tuned prompt, in front of a text and nothing behind it, as a text has to begin that is to
be continued.
"""

import re
from typing import Any

from kgpt2.checkpoints.bert_tokenizer import MAX_WORD_CHARACTERS, SUFFIX, UNKNOWN, BertTokenizer
from kgpt2.checkpoints.bpe_tokenizer import BpeTokenizer
from kgpt2.checkpoints.checkpoint import Tokenizer
from kgpt2.checkpoints.detokenize import NO_SPACE_AFTER, NO_SPACE_BEFORE, TIGHT


def tokenizer_json(tokenizer: Tokenizer) -> dict[str, Any]:
    """The content of tokenizer.json."""
    parts = _bert(tokenizer) if isinstance(tokenizer, BertTokenizer) else _bpe(tokenizer)
    names = {index: token for token, index in tokenizer.token_to_id.items()}
    front = {names[index]: index for index in tokenizer.start_ids}
    start = [{"SpecialToken": {"id": token, "type_id": 0}} for token in front]
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    template = {
        "type": "TemplateProcessing",
        "single": [*start, first],
        "pair": [*start, first, second],
        "special_tokens": {token: {"id": token, "ids": [index], "tokens": [token]} for token, index in front.items()},
    }
    plain = {"version": "1.0", "truncation": None, "padding": None}
    return {**plain, "added_tokens": _added(tokenizer), **parts, "post_processor": template}


def _added(tokenizer: Tokenizer) -> list[dict[str, Any]]:
    """Every token that is cut out of a text whole, by its id."""
    special = {index for index in tokenizer.special_ids if index != tokenizer.newline_id}
    whole = {*tokenizer.special_ids, *(tokenizer.token_to_id[token] for token in tokenizer.added_tokens)}
    names = {index: token for token, index in tokenizer.token_to_id.items()}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
    return [
        {
            "id": index,
            "content": names[index],
            **flags,
            "normalized": names[index] in tokenizer.normalized,
            "special": index in special,
        }
        for index in sorted(whole)
    ]


def _bert(tokenizer: BertTokenizer) -> dict[str, Any]:
    return {
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": tokenizer.strip_accents,
            "lowercase": tokenizer.do_lower_case,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "Sequence", "decoders": _without_stray_spaces(tokenizer)},
        "model": {
            "type": "WordPiece",
            "unk_token": UNKNOWN,
            "continuing_subword_prefix": SUFFIX,
            "max_input_chars_per_word": MAX_WORD_CHARACTERS,
            "vocab": {token: index for index, token in enumerate(tokenizer.vocabulary)},
        },
    }


def _without_stray_spaces(tokenizer: BertTokenizer) -> list[dict[str, Any]]:
    """The rules of `detokenize.join_pieces` as decoders: pieces joined with spaces, then the stray ones taken out."""
    before, after = (re.escape("".join(sorted(marks))) for marks in (NO_SPACE_BEFORE, NO_SPACE_AFTER))
    rules = [(f"(?<=[{TIGHT}{after}]) | (?=[{TIGHT}{before}])", "")]
    if tokenizer.tokens.newline is not None:
        rules.append((f" ?{re.escape(tokenizer.tokens.newline)} ?", "\n"))
    joined: list[dict[str, Any]] = [{"type": "WordPiece", "prefix": SUFFIX, "cleanup": False}, {"type": "Fuse"}]
    return joined + [{"type": "Replace", "pattern": {"Regex": rule}, "content": by} for rule, by in rules]


def _bpe(tokenizer: BpeTokenizer) -> dict[str, Any]:
    bytes_of = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    settings = dict.fromkeys(("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"))
    flags = dict.fromkeys(("fuse_unk", "byte_fallback", "ignore_merges"), False)
    decoder: dict[str, Any] = bytes_of
    if tokenizer.tokens.newline is not None:
        line = {"type": "Replace", "pattern": {"String": tokenizer.tokens.newline}, "content": "\n"}
        decoder = {"type": "Sequence", "decoders": [bytes_of, line]}
    return {
        "normalizer": None,
        "pre_tokenizer": bytes_of,
        "decoder": decoder,
        "model": {
            "type": "BPE",
            **settings,
            **flags,
            "vocab": tokenizer.token_to_id,
            "merges": [list(pair) for pair in tokenizer.merges],
        },
    }
