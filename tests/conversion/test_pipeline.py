"""`pipeline("text-generation")` on what convert writes, beside `kgpt2 generate`."""

import dataclasses
import json

import pytest

import kgpt2 as package
from kgpt2.checkpoints.names import read_model
from kgpt2.checkpoints.special_tokens import SpecialTokens
from kgpt2.conversion.convert import convert

pytest.importorskip("torch")
pytest.importorskip("openvino")
PROMPTS = {"chinese": ["春眠不觉晓，", "花落", ""], "english": ["hello world", "hello, a  b", ""]}


def continued(folder, prompt, new_tokens):
    from transformers import pipeline

    pipe = pipeline("text-generation", model=str(folder), device="cpu")
    return pipe(prompt, do_sample=False, max_new_tokens=new_tokens)[0]["generated_text"]


@pytest.mark.parametrize("family", PROMPTS)
def test_greedy_texts_are_equal(request, tmp_path, family):
    """Random networks, whose best tokens are often ones that the default bans forbid."""
    convert(read_model(str(request.getfixturevalue(f"{family}_preset"))), tmp_path / "hf", "transformers")
    lm = package.load(tmp_path / "hf", runtime="openvino")
    for prompt in PROMPTS[family]:
        (ours,) = lm.generate(prompt, sampler="greedy", max_new_tokens=20)
        assert continued(tmp_path / "hf", prompt, 20) == ours.text
        assert ours.new_tokens


def test_greedy_texts_of_the_model_that_ships(tmp_path):
    convert(read_model("mini_zh"), tmp_path / "hf", "transformers")
    (ours,) = package.load("mini_zh").generate("春眠不觉晓，", sampler="greedy", max_new_tokens=30)
    assert continued(tmp_path / "hf", "春眠不觉晓，", 30) == ours.text


def test_line_ends_and_surplus_rows(chinese_preset, tmp_path):
    checkpoint = read_model(str(chinese_preset), SpecialTokens("[MASK]", "[CLS]", "[SEP]"))
    convert(checkpoint, tmp_path / "hf", "transformers")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "hf")
    ids = checkpoint.tokenizer.encode("春眠\n花落")
    assert tokenizer.decode(ids, skip_special_tokens=True) == "春眠\n花落"
    assert tokenizer("春").input_ids == [checkpoint.tokenizer.start_id, *checkpoint.tokenizer.encode("春")]
    shape = dataclasses.replace(checkpoint.shape, vocabulary_size=checkpoint.shape.vocabulary_size + 2)
    from kgpt2.conversion.transformers import generation_config

    banned = generation_config(dataclasses.replace(checkpoint, shape=shape))["suppress_tokens"]
    assert banned == [*checkpoint.tokenizer.default_bans, shape.vocabulary_size - 2, shape.vocabulary_size - 1]


def test_nothing_but_the_start_goes_into_the_network(chinese_preset, tmp_path):
    """BERT's token types would be added to GPT-2's embeddings."""
    from transformers import AutoTokenizer

    convert(read_model(str(chinese_preset)), tmp_path / "hf", "transformers")
    assert set(AutoTokenizer.from_pretrained(tmp_path / "hf")("春")) == {"input_ids", "attention_mask"}
    assert json.loads((tmp_path / "hf/tokenizer_config.json").read_text())["clean_up_tokenization_spaces"] is False
