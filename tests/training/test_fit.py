"""Runs of a few steps, checked against plain NumPy."""

import csv
import json

import keras
import numpy as np
import pytest
import yaml

import kgpt2.models as models
from kgpt2.checkpoints.names import read_model
from kgpt2.checkpoints.preset import read_preset
from kgpt2.config.recipes import load_config
from kgpt2.errors import RequestError
from kgpt2.training.prepare import prepare

pytestmark = pytest.mark.backends


def plain_metrics(task, batches):
    """Loss, accuracy and perplexity over real targets, one row at a time and without a mask, in float64."""
    losses, hits = [], []
    for index, length in enumerate(batches.rows.lengths):
        tokens = batches.rows.block(np.array([index]), int(length))[0][0]
        ids = tokens[None, :-1].astype("int32")
        scores = keras.ops.convert_to_numpy(task({"token_ids": ids, "padding_mask": np.ones_like(ids)}))[0]
        scores = scores.astype("float64")
        log_probabilities = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
        losses += list(-log_probabilities[np.arange(len(tokens) - 1), tokens[1:]])
        hits += list(scores.argmax(-1) == tokens[1:])
    return {"loss": np.mean(losses), "accuracy": np.mean(hits), "perplexity": np.exp(np.mean(losses))}


def test_validation_metrics_equal_plain_numpy(run):
    summary, plan, folder = run()
    task = models.load_task(read_model(str(folder)))
    assert summary["validation"] == pytest.approx(plain_metrics(task, plan.validation), rel=1e-4)


def test_training_metrics_equal_plain_numpy(run):
    # So small a rate that the weights stay where they are: the running mean is then that of the first weights.
    summary, plan, folder = run("train.learning_rate=1e-12", "train.schedule=constant", "train.epochs=1")
    task = models.load_task(read_model(str(folder)))
    assert summary["train"] == pytest.approx(plain_metrics(task, plan.train), rel=1e-4)
    assert summary["tokens"] == int((plan.train.rows.lengths - 1).sum())


def test_the_run_folder(run):
    summary, plan, folder = run()
    assert {path.name for path in folder.iterdir()} == {
        *("config.yaml", "metrics.csv", "preset", "summary.json", "tensorboard", "curves.png")
    }
    assert json.loads((folder / "summary.json").read_text()) == summary
    assert list(summary) == [
        *("steps", "epochs", "train", "validation", "tokens", "tokens_per_second", "padding_fraction", "seconds"),
        *("backend", "dtype", "parameters", "trainable_parameters", "compile_seconds", "flops_per_second", "mfu"),
        "kept_step",
    ]
    assert (summary["steps"], summary["epochs"]) == (plan.updates, 2)
    assert summary["kept_step"] in (plan.interval, 2 * plan.interval)
    assert summary["backend"] == keras.config.backend()
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    assert [int(row["step"]) for row in rows] == [plan.interval, 2 * plan.interval]
    assert float(rows[-1]["val_loss"]) < float(rows[0]["val_loss"])
    assert float(rows[-1]["learning_rate"]) == 0
    assert yaml.safe_load((folder / "config.yaml").read_text())["train"]["epochs"] == 2
    positions = sum(plan.train.size(step)[2] for step in range(2 * plan.train.per_epoch))
    assert summary["padding_fraction"] == pytest.approx(1 - summary["tokens"] / positions, abs=1e-4)


def test_the_preset_is_the_best_model_not_the_last(run):
    # The rate grows so large that the model gets worse again.
    summary, _, folder = run("train.learning_rate=0.3", "train.schedule=constant", "train.epochs=4")
    rows = [float(row["val_loss"]) for row in csv.DictReader((folder / "metrics.csv").open())]
    assert summary["validation"]["loss"] == min(rows)


def test_the_same_seed_gives_the_same_weights(run):
    def weights(folder):
        return models.load_task(read_model(str(folder))).get_weights()

    first, again, other = (run("train.epochs=1", f"train.seed={seed}")[2] for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(weights(first), weights(again), strict=True))
    assert not np.array_equal(weights(first)[0], weights(other)[0])


@pytest.mark.parametrize(
    ("overrides", "steps", "epochs"),
    [
        (["train.steps=8"], 8, 1.3333),
        (["data.batching=pad", "train.accumulate=2"], 6, 2),
        (["data.batching=pack", "data.validation=0", "train.steps=4", "train.validate_every=3"], 4, None),
        (["data.validation=samples/couplets", "train.steps=2"], 2, 0.25),
    ],
)
def test_lengths_of_runs(run, overrides, steps, epochs):
    summary, _, folder = run(*overrides)
    assert summary["steps"] == steps
    assert epochs is None or summary["epochs"] == epochs
    assert (summary["validation"] is None) == ("data.validation=0" in overrides)
    assert (folder / "preset/model.weights.h5").exists()


def test_accumulated_batches_make_the_update_of_their_mean(run):
    config_of_two, plan, _ = run("train.accumulate=6", "train.epochs=1", "train.clip_norm=null")
    assert config_of_two["steps"] == 1
    assert plan.updates == 1


def test_frozen_layers_stay_as_they_are(run, chinese_preset):
    base = ["model.preset=" + str(chinese_preset), "model.sequence_length=32", "train.epochs=1"]
    summary, _, folder = run(*base, "model.freeze_layers=1")
    before = models.load_task(read_preset(chinese_preset)).backbone
    after = models.load_task(read_preset(folder / "preset")).backbone
    changed = {
        one.path
        for one, other in zip(before.weights, after.weights, strict=True)
        if not np.array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other))
    }
    assert changed
    assert all("transformer_layer_1" in path or path.startswith("layer_norm") for path in changed)
    # A block of width w has 12 w^2 + 13 w weights, the last norm 2 w.
    assert summary["trainable_parameters"] == 12 * 32**2 + 13 * 32 + 2 * 32
    assert summary["parameters"] == before.count_params()
    assert read_preset(folder / "preset").sequence_length == 32


def test_an_english_preset_learns_too(run, english_preset):
    options = ["data.source=samples/tifu", "model.sequence_length=64", "train.learning_rate=1e-3"]
    summary, _, folder = run("model.preset=" + str(english_preset), *options)
    rows = [float(row["val_loss"]) for row in csv.DictReader((folder / "metrics.csv").open())]
    assert rows[-1] < rows[0]
    task = models.load_task(read_preset(folder / "preset"))
    assert isinstance(task, models.loading.keras_hub.models.GPT2CausalLM)
    assert summary["validation"]["accuracy"] > 0


def test_mixed_precision_keeps_float32_weights(run):
    summary, _, folder = run("model.dtype=mixed_bfloat16", "train.epochs=1")
    exact, _, _ = run("train.epochs=1")
    assert summary["dtype"] == "mixed_bfloat16"
    assert summary["validation"]["loss"] == pytest.approx(exact["validation"]["loss"], rel=0.02)
    assert models.load_task(read_preset(folder / "preset")).backbone.weights[0].dtype == "float32"


def test_what_cannot_be_is_refused_before_keras_starts(run, chinese_preset):
    preset = "model.preset=" + str(chinese_preset)
    with pytest.raises(RequestError, match="the context of"):
        run(preset, "model.sequence_length=65")
    with pytest.raises(RequestError, match="freeze_layers: 3 of 2 blocks"):
        run(preset, "model.sequence_length=32", "model.freeze_layers=3")


def test_early_stopping(run):
    overrides = ["train.learning_rate=0.3", "train.schedule=constant", "train.epochs=20", "train.early_stopping=1"]
    summary, _, _ = run(*overrides)
    assert summary["epochs"] < 20


def test_requests_that_leave_nothing_to_learn_or_too_small_batches(run, tmp_path):
    (tmp_path / "qa.csv").write_text("q,a\n床前,明月光\n", "utf-8")
    asked = ["data.limit=null", f"data.source={tmp_path}/qa.csv", "data.prompt=q", "data.text=a", "data.validation=0"]
    with pytest.raises(RequestError, match="the prompts alone fill 2 tokens"):
        run(*asked, "model.sequence_length=2")
    with pytest.raises(RequestError, match="less than the longest row"):
        run("train.batch_tokens=10")
    config = load_config(tmp_path / "run.yaml", ["data.validation=samples/tang"])
    assert any("are learned too" in note for note in prepare(config).notes)


def test_prompts_are_no_padding(run, tmp_path):
    (tmp_path / "qa.csv").write_text("q,a\n床前,明月光\n", "utf-8")
    asked = ["data.limit=null", f"data.source={tmp_path}/qa.csv", "data.prompt=q", "data.text=a", "data.validation=0"]
    summary, _, _ = run(*asked, "train.epochs=1")
    assert (summary["tokens"], summary["padding_fraction"]) == (4, 0)


@pytest.mark.parametrize("scratch", [True, False], ids=["scratch", "preset"])
def test_start_end_and_line_break_are_learned_and_recorded(run, chinese_preset, scratch):
    names = ("start_token=[MASK]", "end_token='[CLS]'", "newline_token=[SEP]")
    own = [f"model.{name}" for name in names] + ['data.texts=["春眠\\n不觉晓", "白日\\n依山尽"]', "data.validation=0.0"]
    _, plan, folder = run(*own, *([] if scratch else [f"model.preset={chinese_preset}"]), "train.steps=1")
    tokenizer = read_model(str(folder)).tokenizer
    assert tokenizer.tokens.named() == {"start_token": "[MASK]", "end_token": "[CLS]", "newline_token": "[SEP]"}
    tokens = [tokenizer.vocabulary[index] for index in plan.train.rows.block(np.array([0]), 8)[0][0]]
    texts = ("春眠 不觉晓", "白日 依山尽")
    assert tokens in [["[MASK]", *text[:2], "[SEP]", *text[3:], "[CLS]"] for text in texts]
