"""A network with rematerialised blocks against the same network without."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import kgpt2.models as models
from kgpt2.models.rematerialisation import Rematerialised, logits_of
from kgpt2.training.target import TargetModel

pytestmark = pytest.mark.backends
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(chr(0x4E00 + index) for index in range(95))]


def trained(rematerialise, dropout=0.0, dtype="float32", frozen=0):
    """Held-out losses after each of three steps, and the task."""
    keras.utils.set_random_seed(1)
    task = models.from_scratch(
        VOCABULARY, layers=2, heads=2, width=32, sequence_length=20, dtype=dtype, dropout=dropout
    )
    for block in task.backbone.transformer_layers[:frozen]:
        block.trainable = False
    network = TargetModel(task.input, logits_of(task.backbone, True) if rematerialise else task.output)
    network.compile(keras.optimizers.SGD(1.0))
    rng, losses = np.random.default_rng(0), []
    for _ in range(3):
        tokens = rng.integers(1, 100, (4, 21)).astype("int32")
        mask = (np.arange(20) < rng.integers(2, 21, (4, 1))).astype("int32")
        batch = {"token_ids": tokens[:, :-1], "padding_mask": mask}, tokens[:, 1:], mask.astype("float32")
        network.train_on_batch(*batch)
        losses.append(network.test_on_batch(*batch, return_dict=True)["token_loss"])
    return losses, task


@pytest.mark.parametrize(
    ("dropout", "dtype", "frozen"), [(0.0, "float32", 0), (0.3, "float32", 1), (0.3, "mixed_bfloat16", 0)]
)
def test_losses_weights_and_seeds_are_the_same(dropout, dtype, frozen):
    losses, plain = trained(False, dropout, dtype, frozen)
    again, saving = trained(True, dropout, dtype, frozen)
    # XLA rounds to bfloat16 between the operations that it does not fuse, and it fuses others here.
    tolerance, weight_tolerance = (1e-6, 1e-6) if dtype == "float32" else (1e-3, 5e-3)
    assert again == pytest.approx(losses, rel=tolerance)
    for one, other in zip(plain.backbone.variables, saving.backbone.variables, strict=True):
        assert np.allclose(one.numpy(), other.numpy(), rtol=0, atol=weight_tolerance), one.path
    if dropout:
        assert trained(True, 0.0, dtype, frozen)[0] != pytest.approx(losses, rel=2 * tolerance), "dropout matters"
        seeds = [variable for variable in saving.backbone.variables if "seed" in variable.path]
        assert all(seed.numpy()[1] == 3 for seed in seeds), "one draw a step"
        assert len(seeds) == 7


def test_the_preset_is_the_same(tmp_path):
    task = trained(False)[1]
    models.save_preset(task, tmp_path / "before")
    TargetModel(task.input, logits_of(task.backbone, True))
    models.save_preset(task, tmp_path / "after")
    names = {path.relative_to(tmp_path / "before") for path in (tmp_path / "before").rglob("*") if path.is_file()}
    assert names == {path.relative_to(tmp_path / "after") for path in (tmp_path / "after").rglob("*") if path.is_file()}
    for name in names - {Path("metadata.json")}:  # which holds the time
        assert (tmp_path / "before" / name).read_bytes() == (tmp_path / "after" / name).read_bytes(), name


@pytest.mark.slow
@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="XLA on a CPU saves no memory: docs/training.md")
def test_memory_is_saved(process):
    sizes = ["--sizes", "32x256", "--model", "8,4,128", "--vocabulary", "100", "--dtypes", "float32"]
    result = process("-m", "benchmarks.memory.training_memory", *sizes)
    assert result.status == 0, result.err
    plain, saving = json.loads(result.out)["rows"]
    assert saving["step_mb"] < 0.6 * plain["step_mb"]


@pytest.mark.skipif(keras.config.backend() != "jax", reason="TensorFlow's memory is measured")
def test_jax_keeps_nothing_that_a_block_computes(capsys):
    import jax

    x, ones = np.ones((4, 20, 32), "float32"), np.ones((4, 20), "int32")

    def kept(layer, mask):
        layer(x, **{mask: ones})  # builds it
        groups = (layer.trainable_variables, layer.non_trainable_variables)
        values = [[variable.value for variable in group] for group in groups]
        jax.ad_checkpoint.print_saved_residuals(
            lambda x: layer.stateless_call(*values, x, **{mask: ones}, training=True)[0], x
        )
        return [line for line in capsys.readouterr().out.splitlines() if " output of " in line]

    block = trained(False, dropout=0.3)[1].backbone.transformer_layers[0]
    assert len(kept(block, "decoder_padding_mask")) > 10
    assert kept(Rematerialised(block), "padding_mask") == []
