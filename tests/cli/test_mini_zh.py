"""The model that comes with kgpt2, as a newcomer meets it."""

import json

import numpy as np
import pytest

import kgpt2 as package
from kgpt2.assets import model_path
from kgpt2.checkpoints.names import read_model
from kgpt2.verse.check import check
from kgpt2.verse.measures import rhymes_kept, tones_kept

MOST_BYTES = 16e6


def test_it_writes_where_no_model_is_named(kgpt2):
    result = kgpt2("generate", "床前明月光", "--seed", "1", "--json", "--form", "none")
    assert result.status == 0, result.err
    found = json.loads(result.out)
    assert found["text"].startswith("床前明月光")
    assert found["finish_reason"] == "stop", "it knows where a text ends"
    assert "note:" not in result.err
    named = kgpt2("generate", "床前明月光", "--seed", "1", "--json", "--form", "none", "--model", "mini_zh")
    assert json.loads(named.out) == found


@pytest.mark.parametrize(
    ("prompt", "form"),
    [("床前明月光", "五绝"), ("月落乌啼霜满天，", "七绝"), ("疑是地上霜", "五绝"), ("春眠不觉晓。", "五绝")],
)
def test_a_first_line_becomes_a_quatrain(kgpt2, prompt, form):
    result = kgpt2("generate", prompt, "--seed", "1", "--json")
    assert f"so a {form} with its tones and a rhyme, the best of 8" in result.err
    text = json.loads(result.out)["text"]
    assert text.startswith(prompt)
    pairs, all_pairs = rhymes_kept(text)
    assert pairs == all_pairs == 1
    if prompt != "疑是地上霜":
        assert check(text).regulated, text
    else:
        assert "keeps no pattern of tones" in result.err
    assert kgpt2("generate", prompt, "--seed", "1", "--json").out == result.out


@pytest.mark.parametrize(
    "arguments",
    [["春风"], ["床前明月光", "春眠不觉晓"], ["床前明月光", "--form", "none"], ["床前明月光", "--max-new-tokens", "3"]],
    ids=" ".join,
)
def test_nothing_else_gets_a_form(kgpt2, arguments):
    result = kgpt2("generate", *arguments, "--seed", "1")
    assert result.status == 0
    assert "a first line" not in result.err
    texts = [str(one) for one in package.load("mini_zh").generate("床前明月光", seed=1)]
    if arguments[1:] == ["--form", "none"]:
        assert result.out.splitlines() == texts, "Python never chooses"


def test_an_instruction_is_told_what_it_is_taken_for(kgpt2):
    result = kgpt2("generate", "写一首关于春天的诗", "--seed", "1")
    assert "follows no instructions: try --title" in result.err


def test_it_is_small_and_whole():
    files = {file.name: file.stat().st_size for file in model_path("mini_zh").iterdir()}
    assert sum(files.values()) <= MOST_BYTES, files
    checkpoint = read_model("mini_zh")
    assert 8e6 <= checkpoint.shape.parameters <= 14e6
    assert files["model.int8.safetensors"] < checkpoint.shape.parameters * 1.02, "int8 by rows"
    assert not checkpoint.notes


def test_the_mark_of_a_genre_steers_the_shape():
    """Without a form: what it has learned, not what a mask allows."""
    lm = package.load("mini_zh")
    couplets, quatrains = ([one.text for one in lm.generate([mark] * 20, seed=0)] for mark in ("[对联]", "[七绝]"))
    sides = [text.removeprefix("[对联]").split("-") for text in couplets]
    assert sum(len(side) == 2 and len(side[0]) == len(side[1]) for side in sides) >= 16, couplets
    shapes = ["".join("字" if one.isalpha() else one for one in text.removeprefix("[七绝]")) for text in quatrains]
    line = "字" * 7
    assert shapes.count(f"{line}，{line}。{line}，{line}。") >= 14, quatrains


def test_forms_tones_and_rhymes_hold_on_it():
    lm = package.load("mini_zh")
    for form, rhyme in (("五绝", "pingshui"), ("七律", "pingshui"), ("对联", "off")):
        for one in lm.generate("", num_return=4, form=form, tones="strict", rhyme=rhyme, seed=3):
            kept, places = tones_kept(one.text)
            assert kept == places > 0, one.text
            pairs, all_pairs = rhymes_kept(one.text)
            assert pairs == all_pairs, one.text


@pytest.mark.parametrize("prompt", ["Once upon", "床前明月光，2026"])
def test_what_it_does_not_know_is_said_with_a_way_out(kgpt2, prompt):
    result = kgpt2("generate", prompt, "--max-new-tokens", "3")
    assert result.status == 0
    assert "does not know" in result.err
    assert "--model names another" in result.err


def test_it_likes_verse_better_than_shuffled_verse():
    lm = package.load("mini_zh")
    poem = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"
    shuffled = "".join(np.random.default_rng(0).permutation(list(poem)))
    (real, other) = lm.score([poem, shuffled])
    assert real.loss + 1 < other.loss


def test_traditional_characters_are_read(kgpt2):
    results = [kgpt2("generate", prompt, "--sampler", "greedy", "--json") for prompt in ("春風", "春风")]
    traditional, simplified = (json.loads(result.out)["completion"] for result in results)
    assert traditional == simplified
    assert not any("does not know" in result.err for result in results)


def test_transformers_reads_what_convert_makes_of_it_and_says_the_same(tmp_path):
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    folder = str(tmp_path / "folder")
    package.convert("mini_zh", folder, "transformers")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    (ours,) = package.load("mini_zh").generate("床前明月光", sampler="greedy", max_new_tokens=20, default_bans=False)
    ids = [tokenizer.cls_token_id, *tokenizer("床前明月光", add_special_tokens=False).input_ids]
    assert ours.token_ids[: len(ids)] == ids
    with torch.no_grad():
        found = theirs.generate(torch.tensor([ids]), max_new_tokens=ours.new_tokens, do_sample=False)[0].tolist()
    assert found[: len(ours.token_ids)] == ours.token_ids
