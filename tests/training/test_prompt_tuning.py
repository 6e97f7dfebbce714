"""A tuned prompt: only its vectors learn, every text has it in front, and nobody writes it."""

import json

import numpy as np
import pytest

from kgpt2.checkpoints.names import read_model
from kgpt2.checkpoints.prompted import with_prompt
from kgpt2.checkpoints.tensors import read_all
from kgpt2.config.recipes import config_of
from kgpt2.data.example import Example
from kgpt2.errors import RequestError
from kgpt2.training.prepare import prepare
from tests.training.conftest import gradients

pytestmark = pytest.mark.backends
LENGTH = 4


@pytest.fixture
def config(chinese_preset):
    def make(**model):
        return {
            "model": {"preset": str(chinese_preset), "sequence_length": 40, "dropout": 0.0, **model},
            "data": {"source": "samples/tang", "limit": 40, "validation": 0.2},
            "train": {"learning_rate": 0.05, "batch_size": 8, "epochs": 2},
        }

    return make


@pytest.fixture
def tuned(config, tmp_path):
    import kgpt2

    def fit(name="run", **model):
        model = {"prompt_tuning": {"length": LENGTH}, **model}
        return kgpt2.fit(config(**model), tmp_path / name)

    return fit


def tensors_of(path):
    with read_model(str(path)).open_weights() as tensors:
        return dict(read_all(tensors, str(path)))


def test_only_its_vectors_learn(tuned, chinese_preset):
    fitted = tuned()
    before, after = tensors_of(chinese_preset), tensors_of(fitted.folder)
    rows = len(before["wte.weight"])
    assert len(after["wte.weight"]) == rows + LENGTH
    np.testing.assert_array_equal(after["wte.weight"][:rows], before["wte.weight"])
    for name in before.keys() - {"wte.weight"}:
        np.testing.assert_array_equal(after[name], before[name])
    start = tensors_of_start(chinese_preset)[rows:]
    assert np.abs(after["wte.weight"][rows:] - start).max() > 0.01
    assert fitted.summary["trainable_parameters"] == LENGTH * 32
    assert fitted.summary["validation"]["loss"] < untouched(chinese_preset, fitted)


def tensors_of_start(preset):
    checkpoint = with_prompt(read_model(str(preset)), LENGTH, "random", 0)
    with checkpoint.open_weights() as tensors:
        return tensors["wte.weight"].read()


def untouched(preset, fitted):
    """The loss of the model that was tuned, on the same held-out rows."""
    import kgpt2.models as models
    from kgpt2.training.feed import dataset
    from kgpt2.training.network import trainable_network

    config = json.loads(json.dumps({"model": {"preset": str(preset), "sequence_length": 40}}))
    config |= {"data": {"source": "samples/tang", "limit": 40, "validation": 0.2}}
    resolved = config_of(config)
    plan = prepare(resolved)
    network = trainable_network(models.load_task(plan.start), resolved, 1)
    logs = network.evaluate(dataset(plan.validation, plan.validation.per_epoch), verbose=0, return_dict=True)
    return logs["token_loss"]


def test_loss_and_gradient_are_pytorchs(config):
    import kgpt2.models as models
    from kgpt2.training.network import trainable_network
    from tests.parity.networks import as_transformers, torch

    resolved = config_of(config(prompt_tuning={"length": LENGTH}))
    plan = prepare(resolved)
    task = models.load_task(plan.start, dropout=0.0, sequence_length=40)
    network = trainable_network(task, resolved, 1, prompt_ids=plan.tokenizer.prompt_ids)
    x, y, weights = batch = plan.train.at(0).as_keras()
    (found,) = gradients(network, batch)

    twin = as_transformers(task.backbone)
    logits = twin(torch.tensor(x["token_ids"]).long(), attention_mask=torch.tensor(x["padding_mask"])).logits
    targets = torch.tensor(y * (weights > 0)).long()  # no text holds the others
    losses = torch.nn.functional.cross_entropy(logits[..., :-LENGTH].transpose(1, 2), targets, reduction="none")
    loss = (losses * torch.tensor(weights)).sum() / weights.sum()
    loss.backward()
    assert float(network.test_on_batch(*batch, return_dict=True)["token_loss"]) == pytest.approx(float(loss), abs=1e-5)
    assert np.abs(found - twin.transformer.wte.weight.grad[-LENGTH:].numpy()).max() < 1e-5


def test_with_lora_its_factors_learn_too(tuned, chinese_preset):
    fitted = tuned(lora={"rank": 2, "targets": ["query"]})
    before, after = tensors_of(chinese_preset), tensors_of(fitted.folder)
    changed = {name for name in before if not np.array_equal(after[name][: len(before[name])], before[name])}
    assert changed == {"h.0.attn.c_attn.weight", "h.1.attn.c_attn.weight"}
    np.testing.assert_array_equal(after["wte.weight"][: len(before["wte.weight"])], before["wte.weight"])


def test_every_text_has_it_in_front_and_nobody_learns_to_write_it(config):
    plan = prepare(config_of(config(prompt_tuning={"length": LENGTH})))
    tokenizer = plan.tokenizer
    assert len(tokenizer.prompt_ids) == LENGTH
    inputs, targets, weights = plan.train.at(0).as_keras()
    assert (inputs["token_ids"][:, : LENGTH + 1] == tokenizer.start_ids).all()
    assert not weights[:, :LENGTH].any()
    assert weights[:, LENGTH].all(), "the first token of the text is a target"
    assert not np.isin(targets[weights.astype(bool)], tokenizer.prompt_ids).any()
    assert inputs["token_ids"].shape[1] <= 40, "sequence_length counts it"


def test_it_begins_as_the_vectors_of_a_text(chinese_preset):
    checkpoint = read_model(str(chinese_preset))
    ids = checkpoint.tokenizer.encode("春眠不觉晓")
    table = tensors_of(chinese_preset)["wte.weight"]
    with with_prompt(checkpoint, 7, "春眠不觉晓", 0).open_weights() as tensors:
        np.testing.assert_array_equal(tensors["wte.weight"].read()[-7:], table[[*ids, *ids[:2]]])


def test_generation_and_scores_have_it_and_runtimes_agree(tuned):
    fitted = tuned()
    here, keras = fitted.load(runtime="openvino"), fitted.load(runtime="keras")
    how = {"sampler": "greedy", "max_new_tokens": 100, "default_bans": False}
    one, other = (lm.generate(["春眠", "白日"], **how) for lm in (here, keras))
    prompt_ids = here.tokenizer.prompt_ids
    for a, b in zip(one, other, strict=True):
        assert a.token_ids == b.token_ids, "past the context of 64 too"
        assert a.token_ids[: LENGTH + 1] == list(here.tokenizer.start_ids)
        assert not set(a.token_ids[LENGTH + 1 :]) & set(prompt_ids), "not even where special tokens may come"
        assert "soft_prompt" not in a.text
    scores = [lm.score("春眠不觉晓")[0] for lm in (here, keras)]
    assert scores[0].loss == pytest.approx(scores[1].loss, rel=1e-5)
    assert len(scores[0].logprobs) == 6
    (logits,) = here.runtime.logits([scores[0].token_ids])
    assert np.exp(logits[-1] - np.log(np.exp(logits[-1]).sum()))[: -LENGTH or None].sum() == pytest.approx(1, rel=1e-4)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(
    "how",
    [
        {"sampler": "beam"},
        {"sampler": "greedy", "repetition_penalty": 1.5},
        {"sampler": "top_p", "p": 0.9, "no_repeat_ngram": 2, "logprobs": True},
        {"sampler": "random", "temperature": 1.5},
    ],
)
def test_every_sampler_knows_it(tuned, how):
    fitted = tuned()
    texts = [
        fitted.load(runtime=runtime).generate("春眠", seed=1, max_new_tokens=20, default_bans=False, **how)[0]
        for runtime in ("openvino", "keras")
    ]
    assert texts[0].token_ids == texts[1].token_ids
    assert not set(texts[0].token_ids[LENGTH + 1 :]) & set(fitted.load().tokenizer.prompt_ids)


def test_evaluation_is_that_of_validation_and_windows_keep_it(tuned, kgpt2, tmp_path):
    from kgpt2.evaluation.scoring import score

    fitted = tuned()
    lm = fitted.load()
    texts = [Example("春眠不觉晓，处处闻啼鸟。" * 8)]
    *_, whole = score(lm.runtime, lm.tokenizer, texts, stride=20)
    assert whole.tokens == len(lm.tokenizer.encode(texts[0].text)) + 1, "each target once"
    (tmp_path / "one.txt").write_text("春眠不觉晓\n", "utf-8")
    report = json.loads(kgpt2("evaluate", fitted.folder, "--data", tmp_path / "one.txt", "--json").out)
    assert report["loss"] == pytest.approx(lm.score("春眠不觉晓")[0].loss, rel=1e-5)


def test_transformers_writes_the_same(tuned, kgpt2, tmp_path):
    from transformers import pipeline

    fitted = tuned()
    converted = tmp_path / "converted"
    result = kgpt2("convert", fitted.folder, converted, "--to", "transformers")
    assert f"a tuned prompt of {LENGTH} tokens" in result.err
    write = pipeline("text-generation", str(converted))
    lm = fitted.load()
    for prompt in ("春眠", "白日依山"):
        expected = lm.generate(prompt, sampler="greedy", max_new_tokens=12)[0]
        text = write(prompt, max_new_tokens=12, do_sample=False)[0]["generated_text"]
        assert text.replace(" ", "") == expected.text.replace(" ", "")
    back = kgpt2("generate", "春眠", "--model", converted, "--sampler", "greedy", "--max-new-tokens", 12)
    assert back.out.strip() == lm.generate("春眠", sampler="greedy", max_new_tokens=12)[0].text
    again = kgpt2("convert", converted, tmp_path / "keras")
    assert "<|soft_prompt_0|> to <|soft_prompt_3|>" in again.err


def test_a_bpe_model_too(english_preset, tmp_path, kgpt2):
    import kgpt2 as package

    config = {
        "model": {
            "preset": str(english_preset),
            "sequence_length": 30,
            "prompt_tuning": {"length": 3, "init": "hello"},
        },
        "data": {"texts": ["hello world", "world hello hello"], "validation": 0.0},
        "train": {"steps": 3, "learning_rate": 0.1},
    }
    fitted = package.fit(config, tmp_path / "run")
    lm = fitted.load()
    expected = lm.generate("hello", sampler="greedy", max_new_tokens=8)[0]
    assert fitted.load(runtime="keras").generate("hello", sampler="greedy", max_new_tokens=8)[0].text == expected.text
    converted = tmp_path / "converted"
    assert kgpt2("convert", fitted.folder, converted, "--to", "transformers").status == 0
    from transformers import pipeline

    write = pipeline("text-generation", str(converted))
    assert write("hello", max_new_tokens=8, do_sample=False)[0]["generated_text"] == expected.text


def test_a_run_goes_on_bit_by_bit(config, tmp_path):
    import kgpt2

    settings = config(prompt_tuning={"length": LENGTH})
    whole = kgpt2.fit(settings, tmp_path / "whole")
    settings["train"] |= {"epochs": 1, "schedule": "constant", "checkpoint_every": 1}
    kgpt2.fit(settings, tmp_path / "parts")
    settings["train"]["epochs"] = 2
    parts = kgpt2.fit(settings, tmp_path / "parts", resume=True)
    settings["train"]["checkpoint_every"] = None
    constant = kgpt2.fit(settings, tmp_path / "constant")
    assert whole.summary["steps"] == parts.summary["steps"]
    np.testing.assert_array_equal(tensors_of(parts.folder)["wte.weight"], tensors_of(constant.folder)["wte.weight"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompt_tuning": {"length": 0}}, "length"),
        ({"prompt_tuning": {"length": 19}}, "half of sequence_length"),
        ({"prompt_tuning": {"init": ""}}, "init"),
        ({"prompt_tuning": {"length": 4, "init": " "}}, "holds no token"),
        ({"prompt_tuning": {}, "preset": None, "from_scratch": {}}, "steers a trained model"),
    ],
)
def test_what_cannot_be(config, changes, words):
    with pytest.raises(RequestError, match=words):
        prepare(config_of(config(**changes)))


def test_not_packed_and_not_twice(config, tuned):
    packed = config(prompt_tuning={"length": LENGTH})
    packed["data"]["batching"] = "pack"
    with pytest.raises(RequestError, match="in front of each text"):
        config_of(packed)
    again = config(prompt_tuning={"length": LENGTH}, preset=str(tuned().folder))
    with pytest.raises(RequestError, match="has a tuned prompt already"):
        prepare(config_of(again))
