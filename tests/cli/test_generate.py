import json
import re

import pytest

SPEED = re.compile(r"(\d+) new tokens in [\d.]+ s: [\d.]+ tokens/s \(start-up [\d.]+ s\)")
KEYS = ["prompt", "index", "text", "completion", "token_ids", "new_tokens", "finish_reason", "seed"]


def objects(result):
    assert result.status == 0, result.err
    return [json.loads(line) for line in result.out.splitlines()]


@pytest.mark.backends
@pytest.mark.parametrize("sampler", ["greedy", "top_k", "top_p", "random"])
def test_json(kgpt2, chinese_preset, sampler):
    options = ["--sampler", sampler, "--k", "5", "--temperature", "0.8", "--seed", "7", "-n", "2"]
    result = kgpt2("generate", "春眠", "白日依山", "--model", chinese_preset, "--json", "--max-new-tokens", 9, *options)
    found = objects(result)
    assert [(o["prompt"], o["index"]) for o in found] == [(p, i) for p in ("春眠", "白日依山") for i in (0, 1)]
    from kgpt2.checkpoints.preset import read_preset

    tokenizer = read_preset(chinese_preset).tokenizer
    for o in found:
        assert list(o) == KEYS
        assert o["text"] == o["prompt"] + o["completion"] == tokenizer.decode(o["token_ids"])
        assert o["token_ids"][: len(o["prompt"]) + 1] == [tokenizer.start_id, *tokenizer.encode(o["prompt"])]
        assert len(o["token_ids"]) == 1 + len(o["prompt"]) + o["new_tokens"]
        assert o["finish_reason"] == ("length" if o["new_tokens"] == 9 else "stop")
        assert o["seed"] == 7
    last = result.err.splitlines()[-1]
    assert int(SPEED.fullmatch(last)[1]) == sum(o["new_tokens"] for o in found)


def test_the_same_seed_gives_the_same_text_in_another_process(process, chinese_preset):
    command = ["-m", "kgpt2", "generate", "春眠", "花落", "--model", chinese_preset, "-n", "2"]
    first, again = (process(*command, "--seed", "5") for _ in range(2))
    assert first.status == 0, first.err
    assert first.out == again.out
    assert len(first.out.splitlines()) == 4
    assert len(first.err.splitlines()) == 1, "nothing but the speed"
    other = process(*command)
    seed = re.match(r"seed (\d+)\n", other.err)[1]
    assert process(*command, "--seed", seed).out == other.out


@pytest.mark.slow
def test_it_runs_on_jax_too(process, chinese_preset):
    pytest.importorskip("jax")
    command = ["-m", "kgpt2", "generate", "春眠", "--model", chinese_preset, "--sampler", "greedy", "--json"]
    on_jax = process(*command, KERAS_BACKEND="jax")
    assert on_jax.status == 0, on_jax.err
    on_tensorflow = process(*command, KERAS_BACKEND="tensorflow")
    assert json.loads(on_jax.out)["token_ids"] == json.loads(on_tensorflow.out)["token_ids"]


def test_prompts_from_a_file_and_results_to_one(kgpt2, chinese_preset, tmp_path):
    (tmp_path / "prompts.txt").write_text("春眠\r\n\n白日\n", "utf-8")
    arguments = ["--model", chinese_preset, "--prompts", tmp_path / "prompts.txt", "--sampler", "greedy"]
    shown = kgpt2("generate", *arguments)
    assert [line[:2] for line in shown.out.splitlines()] == ["春眠", "白日"]
    written = kgpt2("generate", *arguments, "--out", tmp_path / "out.txt")
    assert written.out == ""
    assert (tmp_path / "out.txt").read_text("utf-8") == shown.out
    assert "both" in kgpt2("generate", "春", *arguments).err


def test_prompts_from_stdin(kgpt2, chinese_preset, monkeypatch):
    import io
    import sys

    stdin = io.TextIOWrapper(io.BytesIO("春眠\n".encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    result = kgpt2("generate", "--prompts", "-", "--model", chinese_preset, "--sampler", "greedy")
    assert result.out.startswith("春眠")


def test_lengths(kgpt2, chinese_preset):
    arguments = ["generate", "春眠", "--model", chinese_preset, "--json", "--sampler", "random", "--seed", "1"]
    assert len(objects(kgpt2(*arguments, "--max-length", "6"))[0]["token_ids"]) <= 6
    assert "leaves nothing" in kgpt2(*arguments, "--max-length", "3").err
    assert len(objects(kgpt2(*arguments))[0]["token_ids"]) <= 64


def test_default_bans(kgpt2, chinese_preset):
    arguments = ["generate", "春", "--model", chinese_preset, "--json", "--sampler", "random", "--seed", "1"]
    arguments += ["--temperature", "50", "-n", "40"]
    special = {0, 1, 2, 4}

    def used(*more):
        return {token for o in objects(kgpt2(*arguments, *more)) for token in o["token_ids"][2:]}

    assert not used() & special
    assert used("--no-default-bans") & special


def test_english(kgpt2, english_preset):
    result = kgpt2("generate", "hello", "--model", english_preset, "--json", "--seed", "1", "--max-new-tokens", "5")
    found = objects(result)[0]
    assert found["text"] == "hello" + found["completion"]
    assert found["new_tokens"] <= 5
