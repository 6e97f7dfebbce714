"""LoRA against factors multiplied by hand in NumPy, and against transformers."""

import keras
import numpy as np
import pytest
from rich.console import Console

import kgpt2.models as models
from kgpt2.checkpoints.names import read_model
from kgpt2.config.recipes import load_config
from kgpt2.conversion.convert import convert
from kgpt2.errors import RequestError
from kgpt2.models.loading import dense_layers
from kgpt2.training.network import build, trainable_network
from kgpt2.training.prepare import prepare
from kgpt2.training.run import train as fit
from tests.training.conftest import BASE

pytestmark = pytest.mark.backends
EVERY = ["query", "key", "value", "attention_output", "feedforward_intermediate_dense", "feedforward_output_dense"]
IDS = np.array([[2, 7, 9, 11, 5, 8]], "int32")


@pytest.fixture
def adapt(tmp_path, chinese_preset, monkeypatch):
    """Adapts the stand-in for an epoch; gives the summary, the task as training left it, and the run folder."""
    tasks = []

    def keep(config, plan):
        tasks.append(build(config, plan))
        return tasks[-1]

    monkeypatch.setattr("kgpt2.training.run.build", keep)

    def with_lora(lora, *overrides):
        folder = tmp_path / f"run{len(tasks)}"
        config = adapt_config(tmp_path, chinese_preset, lora, *overrides)
        return fit(config, prepare(config), folder, Console(quiet=True)), tasks[-1], folder

    return with_lora


def adapt_config(folder, preset, lora, *overrides):
    (folder / "run.yaml").write_text(BASE)
    base = [f"model.preset={preset}", f"model.lora={lora}"]
    base += ["model.sequence_length=32", "data.batching=pad", "train.epochs=1"]  # one shape: one compilation
    return load_config(folder / "run.yaml", [*base, *overrides])


def array(weight):
    return keras.ops.convert_to_numpy(weight).astype("float32")


def logits(task):
    return array(task({"token_ids": IDS, "padding_mask": np.ones_like(IDS)}))


def stored(model):
    return models.load_task(read_model(str(model)))


def layers_of(task, targets=EVERY, blocks=slice(None)):
    blocks = task.backbone.transformer_layers[blocks]
    return [layer for block in blocks for name, layer in dense_layers(block).items() if name in targets]


def multiply_by_hand(base, adapted, targets, scale, blocks=slice(None)):
    """Adds the factors of one task to the kernels of another: W + scale * AB."""
    for plain, layer in zip(layers_of(base, targets, blocks), layers_of(adapted, targets, blocks), strict=True):
        product = np.tensordot(array(layer.lora_kernel_a), array(layer.lora_kernel_b), 1)
        plain.kernel.assign(array(plain.kernel) + scale * product)


# Factors in the stand-in, of width 32 with 2 heads of 16: (32, 2, rank) and (rank, 16) for query, key and value,
# (2, 16, rank) and (rank, 32) for attention_output, rank * (in + out) elements for the feed-forward layers.
@pytest.mark.parametrize(
    ("lora", "targets", "scale", "factors"),
    [
        ("{}", ["query", "value"], 1, 2 * 2 * 8 * (64 + 16)),
        (f"{{rank: 2, alpha: 8, targets: {EVERY}}}", EVERY, 4, 2 * 2 * (3 * (64 + 16) + (32 + 32) + 2 * (32 + 128))),
    ],
)
def test_only_the_factors_learn_and_the_preset_is_merged(adapt, chinese_preset, lora, targets, scale, factors):
    base = stored(chinese_preset)
    before = {weight.path: array(weight) for weight in base.backbone.weights}
    summary, task, folder = adapt(lora)
    assert summary["trainable_parameters"] == factors
    assert summary["parameters"] == base.backbone.count_params() + factors

    after = {weight.path: array(weight) for weight in task.backbone.weights}
    assert all(np.array_equal(after.pop(path), values) for path, values in before.items()), "biases included"
    assert len(after) == 2 * len(layers_of(task, targets))
    assert all("lora_kernel" in path and np.abs(values).max() > 0 for path, values in after.items())

    trained = logits(task)
    assert np.abs(trained - logits(base)).max() > 1e-3
    multiply_by_hand(base, task, targets, scale)
    assert np.abs(trained - logits(base)).max() < 1e-5
    saved = stored(folder)
    assert np.abs(trained - logits(saved)).max() < 1e-5
    assert len(saved.backbone.weights) == len(before)


def test_transformers_computes_what_was_learned(adapt, tmp_path):
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM

    _, task, folder = adapt("{alpha: 16}")
    convert(read_model(str(folder)), tmp_path / "hf", "transformers")
    with torch.no_grad():
        theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "hf")(torch.tensor(IDS).long()).logits.numpy()
    assert np.abs(theirs - logits(task)).max() < 1e-4


def test_frozen_blocks_get_no_factors(adapt, chinese_preset):
    summary, task, _ = adapt("{rank: 4}", "model.freeze_layers=1")
    assert summary["trainable_parameters"] == 2 * 4 * (64 + 16)
    base = stored(chinese_preset)
    multiply_by_hand(base, task, ["query", "value"], 1, slice(1, None))
    assert np.abs(logits(task) - logits(base)).max() < 1e-5


def test_the_optimizer_holds_nothing_for_the_frozen_weights(tmp_path, chinese_preset):
    config = adapt_config(tmp_path, chinese_preset, "{rank: 4}")
    network = trainable_network(build(config, prepare(config)), config, 1)
    network.optimizer.build(network.trainable_variables)
    held = sum(np.prod(variable.shape) for variable in network.optimizer.variables if len(variable.shape))
    assert held == 2 * sum(np.prod(weight.shape) for weight in network.trainable_weights), "Adam's two moments"


def test_saving_on_the_way_changes_nothing(adapt, monkeypatch):
    often = ["train.validate_every=1", "train.learning_rate=1e-3", "model.dtype=mixed_bfloat16"]
    _, task, folder = adapt("{}", *often)
    monkeypatch.setattr("kgpt2.training.run.save_preset", lambda task, folder: None)
    _, undisturbed, nothing = adapt("{}", *often)
    assert (folder / "preset").exists() > (nothing / "preset").exists()
    for one, other in zip(task.backbone.weights, undisturbed.backbone.weights, strict=True):
        assert np.array_equal(array(one), array(other)), one.path


@pytest.mark.slow
def test_half_precision(adapt, chinese_preset):
    base, exact = stored(chinese_preset), adapt("{}")[0]
    for dtype in ("bfloat16", "mixed_bfloat16"):
        summary, task, folder = adapt("{}", f"model.dtype={dtype}")
        assert summary["validation"]["loss"] == pytest.approx(exact["validation"]["loss"], rel=0.02)
        assert {weight.dtype for weight in task.backbone.trainable_weights} == {"float32"}
        assert {layer.compute_dtype for layer in layers_of(task)} == {"bfloat16"}, "also after saving"
    multiply_by_hand(base, task, ["query", "value"], 1)
    for one, other in zip(layers_of(base), layers_of(stored(folder)), strict=True):
        assert np.allclose(array(one.kernel), array(other.kernel), rtol=0, atol=1e-6), "not rounded to bfloat16"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model.lora={rank: 17}"], "lora.rank: 17 is more than the 16 that query, value"),
        (["model.lora={rank: 33, targets: [attention_output]}"], "33 is more than the 32"),
        (["model.freeze_layers=2"], "all 2 blocks are frozen, so model.lora has none to adapt"),
        (["model.lora={targets: [query, query]}"], "lora.targets: name each layer once"),
        (["model.lora={targets: []}"], "lora.targets: .* at least 1 item"),
        (["model.lora={targets: [c_attn]}"], "lora.targets: 'c_attn' will not do"),
        (["model.preset=null", "model.from_scratch={}"], "lora adapts a trained model"),
    ],
)
def test_what_cannot_be_adapted_is_refused(tmp_path, chinese_preset, overrides, words):
    with pytest.raises(RequestError, match=words):
        prepare(adapt_config(tmp_path, chinese_preset, "{}", *overrides))
