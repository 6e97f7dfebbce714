"""Runs that fail: what they say, and what they keep."""

import keras
import pytest
from rich.console import Console

from kgpt2.config.recipes import load_config
from kgpt2.errors import RequestError, WorkError
from kgpt2.training.guard import is_out_of_memory
from kgpt2.training.prepare import prepare
from kgpt2.training.state import is_whole
from kgpt2.training.target import TargetModel

pytestmark = pytest.mark.backends


@pytest.fixture
def plan(run, tmp_path):
    return prepare(load_config(tmp_path / "run.yaml"))


def text_of(plan, step):
    """The first row of a batch, out of the vocabulary."""
    batch = plan.train.at(step)
    ids = batch.token_ids[0][batch.padding_mask[0] > 0][1:]
    return "".join(plan.tokenizer.vocabulary[token] for token in ids)


def test_a_loss_that_is_no_number_stops_the_run(run, plan, tmp_path):
    # The weights are finite after such an update, and overflow in the next batch.
    with pytest.raises(WorkError, match=r"stopped after step 1: the loss is \w+ at batch 2") as stopped:
        run("train.learning_rate=1e37", "train.clip_norm=null", "train.checkpoint_every=null")
    assert f"begins with '{text_of(plan, 1)[:40]}" in str(stopped.value)
    assert str(stopped.value).endswith("kept from before: nothing yet")
    assert not (tmp_path / "run0/preset").exists()


@pytest.fixture
def poisoned(monkeypatch):
    """The rate is no number any more from a batch on."""
    from kgpt2.training.token_meter import TokenMeter

    def at(number):
        def poison(self, batch, logs=None, original=TokenMeter.on_train_batch_begin):
            original(self, batch, logs)
            if self.batches == number:
                self.model.optimizer.learning_rate = float("nan")

        monkeypatch.setattr("kgpt2.training.network.make_optimizer", lambda *_: keras.optimizers.Adam(1e-3))
        monkeypatch.setattr(TokenMeter, "on_train_batch_begin", poison)

    return at


@pytest.mark.parametrize("overrides", [["train.checkpoint_every=1"], ["train.steps=1", "data.validation=0"]])
def test_weights_that_are_no_numbers_are_never_saved(run, tmp_path, poisoned, overrides):
    poisoned(0)
    with pytest.raises(WorkError, match=r"stopped after step 1: .* holds NaN or infinity"):
        run(*overrides)
    assert not list(tmp_path.glob("run0/checkpoints/step-*"))
    assert not (tmp_path / "run0/preset").exists()


def test_a_run_that_breaks_late_keeps_its_last_good_checkpoint(run, tmp_path, poisoned):
    poisoned(8)
    with pytest.raises(WorkError, match=r"kept from before: \S+/preset, \S+/step-00000008"):
        run("train.checkpoint_every=2")
    saved = sorted(tmp_path.glob("run0/checkpoints/step-*"))
    assert [path.name for path in saved] == ["step-00000006", "step-00000008"]
    assert is_whole(saved[-1] / "state.zip")


def test_an_exploding_loss_is_told_once(run, capsys):
    run("train.learning_rate=3.0", "train.schedule=constant", "train.steps=5", console=Console(stderr=True, width=300))
    assert capsys.readouterr().err.count("diverging") == 1


def test_memory_that_is_not_enough(run, monkeypatch):
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        error = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[32,128,21128]")
    else:
        from jax.errors import JaxRuntimeError

        error = JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8589934592 bytes.")

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(TargetModel, "fit", fail)
    with pytest.raises(WorkError, match=r"batch_size \(now 8.*mixed_bfloat16, or set model\.rematerialise=true\n"):
        run()
    with pytest.raises(WorkError, match=r"batch_tokens \(now 80; [^\n]*40\), or set model\.rematerialise=true\n"):
        run("train.batch_tokens=80", "model.dtype=mixed_bfloat16")
    follower = RuntimeError("Array has been deleted")
    follower.__context__ = error
    assert is_out_of_memory(follower)
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(ValueError("out of range"))


def test_early_stopping_needs_something_held_out(run):
    with pytest.raises(RequestError, match=r"early_stopping: .*\n.*data\.validation"):
        run("train.early_stopping=2", "data.validation=0")
