"""Whether XLA compiles the training step."""

import keras
import pytest

from kgpt2.config.recipes import load_config
from kgpt2.training import compilation
from kgpt2.training.compilation import jit_compile
from kgpt2.training.network import build
from kgpt2.training.prepare import prepare
from tests.training.conftest import BASE

pytestmark = pytest.mark.backends


@pytest.mark.parametrize(
    ("overrides", "chosen"),
    [
        (["train.steps=10"], False),
        (["train.steps=200000"], True),
        (["train.steps=200000", "data.batching=pad"], True),
        (["train.steps=200000", "train.jit_compile=false"], False),
        (["train.steps=10", "train.jit_compile=true"], True),
        (["train.steps=200000", "model.rematerialise=true"], "auto"),
        (["train.steps=200000", "train.distribution=data"], "auto"),
    ],
)
def test_xla_where_it_pays(tmp_path, overrides, chosen):
    (tmp_path / "run.yaml").write_text(BASE)
    config = load_config(tmp_path / "run.yaml", overrides)
    plan = prepare(config)
    if keras.config.backend() != "tensorflow" and config.train.jit_compile is None:
        chosen = "auto"
    assert jit_compile(config, plan, build(config, plan)) == chosen


@pytest.mark.parametrize(("flags", "chosen"), [(("avx2",), True), (("avx2", "amx_bf16"), False)])
def test_no_xla_for_products_in_bfloat16_that_it_cannot_use(tmp_path, monkeypatch, flags, chosen):
    (tmp_path / "run.yaml").write_text(BASE)
    config = load_config(tmp_path / "run.yaml", ["train.steps=200000", "model.dtype=mixed_bfloat16"])
    plan = prepare(config)
    monkeypatch.setattr(compilation, "features", lambda: flags)
    if keras.config.backend() != "tensorflow":
        chosen = "auto"
    assert jit_compile(config, plan, build(config, plan)) == chosen


def test_compiled_losses_are_those_without(run):
    plain, compiled = (run("train.epochs=1", f"train.jit_compile={value}")[0] for value in ("false", "true"))
    for part in ("train", "validation"):
        assert compiled[part]["loss"] == pytest.approx(plain[part]["loss"], rel=1e-5)
