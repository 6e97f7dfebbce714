"""Tokenizers of Hugging Face folders, beside those of transformers."""

import json
import shutil

import pytest

from kgpt2.checkpoints.hugging_face import read_hugging_face
from kgpt2.errors import RequestError
from tests.checkpoints.conftest import TEXTS, set_config

torch = pytest.importorskip("torch")


def saved_by_transformers(folder, change=lambda tokenizer: None):
    """Replaces the tokenizer's files by those that transformers writes after a change; returns its tokenizer."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    change(tokenizer)
    for name in ("vocab.txt", "vocab.json", "merges.txt", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)
    tokenizer.save_pretrained(folder)
    set_config(folder, vocab_size=len(tokenizer))
    return AutoTokenizer.from_pretrained(folder)


def assert_same_ids(ours, theirs):
    for text in TEXTS:
        assert ours.encode(text) == theirs(text, add_special_tokens=False).input_ids, text
    assert ours.vocabulary_size == len(theirs)


def test_the_tokenizer_that_transformers_saves(folder):
    theirs = saved_by_transformers(folder)
    assert (folder / "tokenizer.json").is_file()
    assert not (folder / "vocab.txt").exists(), "transformers 5 writes no other file"
    assert_same_ids(read_hugging_face(folder).tokenizer, theirs)


def test_added_tokens(folder):
    def change(tokenizer):
        tokenizer.add_tokens(["新词"])
        tokenizer.add_special_tokens({"additional_special_tokens": ["[EOT]"]})

    theirs = saved_by_transformers(folder, change)
    ours = read_hugging_face(folder).tokenizer
    assert_same_ids(ours, theirs)
    assert ours.added_tokens == {"新词": False, "[EOT]": True}
    new, end = (theirs.convert_tokens_to_ids(token) for token in ("新词", "[EOT]"))
    assert ours.decode([new, end, new]) == "新词新词"
    assert end in ours.default_bans
    assert new not in ours.default_bans


def test_special_tokens_of_bert_added_to_byte_level_bpe(originals, tmp_path):
    folder = shutil.copytree(originals[0] / "bpe", tmp_path / "model")
    roles = {f"{role}_token": f"[{role.upper()}]" for role in ("pad", "sep", "cls", "unk", "mask")}
    theirs = saved_by_transformers(folder, lambda tokenizer: tokenizer.add_special_tokens(roles))
    ours = read_hugging_face(folder).tokenizer
    assert_same_ids(ours, theirs)
    ids = theirs.convert_tokens_to_ids(list(roles.values()))
    assert ours.encode("[CLS]hello[SEP][PAD]") == [ids[2], *theirs("hello").input_ids, ids[1], ids[0]]
    assert set(ids) < set(ours.special_ids)


@pytest.mark.parametrize("lower", [False, True], ids=["cased", "lower"])
def test_added_tokens_that_are_looked_for_after_normalising(originals, tmp_path, lower):
    from transformers import AddedToken

    folder = shutil.copytree(originals[0] / "bert", tmp_path / "model")
    set_config(folder, "tokenizer_config.json", do_lower_case=lower)
    tokens = [AddedToken(token, normalized=token != "Llo") for token in ("GPT", "Llo", "新词")]
    theirs = saved_by_transformers(folder, lambda tokenizer: tokenizer.add_tokens(tokens))
    ours = read_hugging_face(folder).tokenizer
    for text in ("GPT gpt Gptx", "Llo LLO", "x新词，新 词", "G\u200bPT", "gpt[SEP]GPT"):
        assert ours.encode(text) == theirs(text, add_special_tokens=False).input_ids, text
    assert ours.token_to_id["GPT"] in ours.encode("gpt") or not lower


def test_added_tokens_with_a_role_and_no_id_of_their_own(originals, tmp_path):
    """As transformers 2 and 3 left them: named in special_tokens_map.json alone."""
    from transformers import AutoTokenizer

    folder = shutil.copytree(originals[0] / "bpe", tmp_path / "model")
    roles = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|pad|>"}
    (folder / "special_tokens_map.json").write_text(json.dumps(roles), "utf-8")
    set_config(folder, "tokenizer_config.json", tokenizer_class="GPT2Tokenizer")
    theirs = AutoTokenizer.from_pretrained(folder)
    set_config(folder, vocab_size=len(theirs))
    ours = read_hugging_face(folder).tokenizer
    assert ours.encode("<|pad|><|startoftext|>") == theirs("<|pad|><|startoftext|>").input_ids
    assert (ours.start_id, ours.end_id) == (theirs.bos_token_id, theirs.eos_token_id)


def test_added_tokens_of_the_older_layout(folder, family):
    """vocab.txt or vocab.json, with added_tokens.json beside it."""
    before = read_hugging_face(folder)
    size = before.tokenizer.vocabulary_size
    (folder / "added_tokens.json").write_text(json.dumps({"[B]": size + 1, "[A]": size}), "utf-8")
    set_config(folder, vocab_size=size + 2)
    tokenizer = read_hugging_face(folder).tokenizer
    assert tokenizer.encode("[B][A]") == [size + 1, size]
    (folder / "added_tokens.json").write_text(json.dumps({"[B]": size + 5}), "utf-8")
    with pytest.raises(RequestError, match="do not follow those of the vocabulary"):
        read_hugging_face(folder)


def test_lower_case_comes_from_the_tokenizer_config(originals, tmp_path):
    folder = shutil.copytree(originals[0] / "bert", tmp_path / "model")
    for value in (True, False, None):
        set_config(folder, "tokenizer_config.json", do_lower_case=value)
        if value is None:
            (folder / "tokenizer_config.json").unlink()
        from transformers import BertTokenizer

        theirs = BertTokenizer.from_pretrained(folder)
        ours = read_hugging_face(folder).tokenizer
        assert ours.encode("Hello") == theirs("Hello", add_special_tokens=False).input_ids
        assert ours.do_lower_case is (value is not False)


@pytest.mark.parametrize(
    ("family", "change", "words"),
    [
        ("bert", lambda t: t["model"].update(type="Unigram"), "a Unigram tokenizer"),
        ("bert", lambda t: t["normalizer"].update(handle_chinese_chars=False), "not BERT's"),
        ("bert", lambda t: t["normalizer"].update(type="NFKC"), "not BERT's"),
        ("bert", lambda t: t["pre_tokenizer"].update(type="Whitespace"), "not BERT's"),
        ("bert", lambda t: t["model"].update(continuing_subword_prefix="@@"), "not BERT's"),
        ("bert", lambda t: t["model"]["vocab"].pop("[unused7]"), "do not run from 0 without a gap"),
        ("bert", lambda t: t["added_tokens"][0].update(lstrip=True), "takes spaces with it"),
        ("bert", lambda t: t["added_tokens"][0].update(id=77), "has the id 77"),
        ("bpe", lambda t: t.update(normalizer={"type": "NFC"}), "not GPT-2's"),
        ("bpe", lambda t: t["pre_tokenizer"].update(add_prefix_space=True), "not GPT-2's"),
        ("bpe", lambda t: t["model"].update(byte_fallback=True), "not GPT-2's"),
        ("bpe", lambda t: t["model"]["merges"].append(["x1", "y2"]), "do not belong together"),
    ],
)
def test_tokenizers_that_are_refused(folder, change, words):
    saved_by_transformers(folder)
    document = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    change(document)
    (folder / "tokenizer.json").write_text(json.dumps(document), "utf-8")
    with pytest.raises(RequestError, match=words):
        read_hugging_face(folder)


@pytest.mark.parametrize("kind", ["BertJapaneseTokenizer", "T5Tokenizer", "RoFormerTokenizer", "CpmTokenizerFast"])
@pytest.mark.parametrize("file", ["tokenizer_config.json", "config.json"])
def test_look_alikes_are_refused_by_name(folder, kind, file):
    (folder / "tokenizer_config.json").write_text("{}", "utf-8")
    set_config(folder, file, tokenizer_class=kind)
    with pytest.raises(RequestError, match=f"is a {kind}; kgpt2 reads BertTokenizer and GPT2Tokenizer"):
        read_hugging_face(folder)


@pytest.mark.parametrize("key", ["auto_map", "word_tokenizer_type", "subword_tokenizer_type"])
def test_tokenizers_of_their_own_code_are_refused(folder, key):
    set_config(folder, "tokenizer_config.json", **{key: "mecab"})
    with pytest.raises(RequestError, match=f"{key} is set"):
        read_hugging_face(folder)


def test_the_rules_in_tokenizer_json_count_beside_a_vocabulary(folder, family):
    saved_by_transformers(folder)
    document = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    document["normalizer"] = {"type": "NFKC"}
    (folder / "tokenizer.json").write_text(json.dumps(document), "utf-8")
    vocabulary = document["model"]["vocab"]
    if family == "bert":
        (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in vocabulary), "utf-8")
    else:
        (folder / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
        merges = "".join(f"{first} {second}\n" for first, second in document["model"]["merges"])
        (folder / "merges.txt").write_text(merges, "utf-8")
    with pytest.raises(RequestError, match="but not"):
        read_hugging_face(folder)


def test_empty_lines_of_a_vocabulary_keep_their_ids(originals, tmp_path):
    from transformers import BertTokenizer

    folder = shutil.copytree(originals[0] / "bert", tmp_path / "model")
    lines = (folder / "vocab.txt").read_text("utf-8").split("\n")[:-1]
    lines[1] = lines[150] = lines[200] = ""
    (folder / "vocab.txt").write_text("\n".join([*lines, "", ""]) + "\n", "utf-8")
    theirs, ours = BertTokenizer.from_pretrained(folder), read_hugging_face(folder).tokenizer
    for text in TEXTS[1:]:
        assert ours.encode(text) == theirs(text, add_special_tokens=False).input_ids, text
    assert ours.vocabulary_size == len(lines), "empty lines behind the last token hold no place"
    assert {1, 150, 200} < set(ours.default_bans)
    assert ours.decode([ours.token_to_id["春"], 150, ours.token_to_id["满"]]) == "春满"


def test_another_end_of_text_is_refused(originals, tmp_path):
    folder = shutil.copytree(originals[0] / "bpe", tmp_path / "model")
    set_config(folder, "tokenizer_config.json", eos_token="</s>")
    with pytest.raises(RequestError, match="end with '</s>'"):
        read_hugging_face(folder)


def test_no_tokenizer_and_no_weights(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(RequestError, match=r"no weights \(none of model.safetensors, pytorch_model.bin, tf_model.h5"):
        read_hugging_face(folder)
    for name in ("vocab.txt", "vocab.json", "merges.txt"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(RequestError, match="no tokenizer"):
        read_hugging_face(folder)
