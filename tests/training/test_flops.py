import keras
import pytest

from kgpt2.models import from_scratch
from kgpt2.models.loading import count_parameters
from kgpt2.training import token_meter as metering
from kgpt2.training.flops import device_name, peak_flops, training_flops
from kgpt2.training.token_meter import TokenMeter

SHAPE = {"layers": 3, "heads": 2, "width": 128, "sequence_length": 64}


@pytest.mark.backends
@pytest.mark.skipif(keras.config.backend() != "jax", reason="XLA counts the operations")
def test_the_formula_is_what_xla_counts():
    import jax
    import numpy as np

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *map(str, range(996))]
    task = from_scratch(words, **SHAPE, dtype="float32", dropout=0.0)
    rows, width = 4, 64
    inputs = {"token_ids": np.ones((rows, width), "int32"), "padding_mask": np.ones((rows, width), "int32")}
    trained = [variable.value for variable in task.trainable_variables]
    rest = [variable.value for variable in task.non_trainable_variables]

    def loss(values):
        return keras.ops.sum(task.stateless_call(values, rest, inputs)[0] ** 2)

    counted = jax.jit(jax.grad(loss)).lower(trained).cost_analysis()["flops"]
    found = training_flops(task.backbone, count_parameters(task)[0], rows * width, rows * width * width)
    # XLA counts what is no matrix product too: norms, softmax, GELU.
    assert 0.8 * counted < found <= counted


@pytest.mark.parametrize(
    ("device", "dtype", "peak"),
    [
        ("NVIDIA A100-SXM4-80GB", "mixed_bfloat16", 312e12),
        ("NVIDIA A100-PCIE-40GB", "float32", 156e12),
        ("NVIDIA H100 80GB HBM3", "bfloat16", 989.5e12),
        ("NVIDIA H100 PCIe", "bfloat16", 756.5e12),
        ("NVIDIA H200", "bfloat16", 989.5e12),
        ("Tesla V100-SXM2-16GB", "float32", 15.7e12),
        ("Tesla T4", "mixed_bfloat16", None),
        ("NVIDIA L4", "float32", 60e12),
        ("NVIDIA L40S", "float32", None),
        ("NVIDIA GeForce RTX 4090", "bfloat16", 165.2e12),
        ("TPU v5 lite", "bfloat16", 197e12),
        ("", "float32", None),
    ],
)
def test_peaks(device, dtype, peak):
    assert peak_flops(device, dtype) == peak


@pytest.mark.backends
def test_a_cpu_has_no_peak():
    assert peak_flops(device_name(), "float32") is None


def test_compilation_is_told_apart(monkeypatch):
    from kgpt2.data.batches import Size

    # Seconds of each batch: wide ones of 100 positions, narrow ones of 50, a hundredth of a second a position.
    batches = [(100, 9.0), (100, 1.0), (50, 4.5), (100, 1.0), (50, 0.5), (100, 7.0)]
    now = [0.0]
    monkeypatch.setattr(metering.time, "perf_counter", lambda: now[0])

    class Plan:
        def size(self, step):
            positions = batches[step][0]
            return Size(positions - 20, positions - 10, positions, positions // 10)

    meter = TokenMeter(Plan(), batches=100)
    for step, (_, seconds) in enumerate(batches):
        meter.on_train_batch_begin(step)
        now[0] += seconds
        meter.on_train_batch_end(step)
    assert meter.compile_seconds == pytest.approx(8.0 + 4.0)
    assert (meter.warm_seconds, meter.warm_targets) == (9.5, 3 * 80 + 30)
    assert meter.warm_attended == 3 * 90 * 10 + 40 * 5
    resumed = TokenMeter(Plan(), batches=100)
    resumed.go_on(meter.progress())
    assert resumed.compile_seconds == pytest.approx(12.0)
