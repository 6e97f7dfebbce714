"""Our BPE tokenizer against the one of transformers."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GPT2Tokenizer

from kgpt2.checkpoints.bpe_tokenizer import BpeTokenizer, read_bpe_files
from kgpt2.errors import RequestError


@pytest.fixture(scope="module")
def pair(english_files):
    vocabulary, merges = english_files / "vocabulary.json", english_files / "merges.txt"
    pairs = [tuple(line.split()) for line in merges.read_text("utf-8").splitlines()[1:]]
    oracle = GPT2Tokenizer(vocab=json.loads(vocabulary.read_text("utf-8")), merges=pairs)
    return BpeTokenizer(*read_bpe_files(vocabulary, merges)), oracle


@settings(max_examples=1000, deadline=None)
@given(text=st.text(st.characters(exclude_categories=("Cs",))) | st.sampled_from(["hello world", "a<|endoftext|>b"]))
def test_ids_and_text_equal_those_of_transformers(pair, text):
    ours, oracle = pair
    ids = ours.encode(text)
    assert ids == oracle(text)["input_ids"]
    assert ours.encode_batch([text]) == [ids]
    assert ours.decode(ids) == text.replace("<|endoftext|>", "")


def test_files_that_do_not_belong_together_are_refused(tmp_path, english_files):
    (tmp_path / "merges.txt").write_text("x1 y2\n")
    with pytest.raises(RequestError, match="do not belong together"):
        BpeTokenizer(*read_bpe_files(english_files / "vocabulary.json", tmp_path / "merges.txt"))
    (tmp_path / "vocabulary.json").write_text('{"a": 0}')
    with pytest.raises(RequestError, match="not a GPT-2 vocabulary"):
        BpeTokenizer(*read_bpe_files(tmp_path / "vocabulary.json", english_files / "merges.txt"))
