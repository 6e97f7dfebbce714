"""What only a process of its own can show: programs that outlive it, and several devices."""

import json

import pytest

pytest.importorskip("jax")
pytestmark = pytest.mark.slow


@pytest.fixture
def on_jax(process, chinese_preset, tmp_path):
    def run(batch_size=4, **environment):
        chosen = {"KERAS_BACKEND": "jax", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "KGPT2_CACHE": str(tmp_path / "cache")}
        found = process("-m", "tests.generation.on_jax", chinese_preset, str(batch_size), **chosen, **environment)
        assert found.status == 0, found.err
        return json.loads(found.out)

    return run


def test_a_second_process_compiles_nothing(on_jax):
    first, second = on_jax(), on_jax()
    assert first["cache_misses"] > 0
    assert second["cache_misses"] == 0
    assert second["cache_hits"] > 0
    assert first["texts"] == second["texts"]


def test_two_devices_share_the_rows_and_change_no_token(on_jax):
    one = on_jax()
    # A batch of three is filled up to a multiple of the devices.
    two = on_jax(batch_size=3, XLA_FLAGS="--xla_force_host_platform_device_count=2")
    assert (one["devices"], two["devices"]) == (1, 2)
    assert one["texts"] == two["texts"]
