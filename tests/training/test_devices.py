"""Runs on two devices against runs on one."""

import csv
import os
import socket
import subprocess
import sys

import keras
import pytest
from rich.console import Console

import kgpt2.models as models
from kgpt2.checkpoints.names import read_model
from kgpt2.config.recipes import load_config
from kgpt2.errors import RequestError
from kgpt2.training import devices
from kgpt2.training.prepare import prepare
from kgpt2.training.run import train as fit
from tests.conftest import ROOT
from tests.training.test_fit import plain_metrics
from tests.training.test_resume import assert_same_run

pytestmark = pytest.mark.backends
ON_JAX = keras.config.backend() == "jax"
POEM = "床前明月光疑是地上霜举头望明月低头思故乡春眠不觉晓处处闻啼鸟夜来风雨声"
# Long rows and rows of a few characters side by side, and so small a norm that every gradient is clipped.
UNEVEN = f"""\
model:
  from_scratch: {{layers: 1, heads: 2, width: 32}}
  sequence_length: 32
  dropout: 0.0
data:
  texts: {[POEM[start : start + (30 if start % 2 else 2)] for start in range(30)]}
  validation: 0.3
  batching: pad
train:
  learning_rate: 1e-2
  batch_size: 8
  steps: 8
  weight_decay: 0.1
  clip_norm: 0.05
  validate_every: 2
  checkpoint_every: 4
"""


def run_on_two(folder, *runs, **environment):
    command = [sys.executable, "-m", "tests.training.two_devices", str(folder), *runs]
    variables = {**os.environ, "KERAS_BACKEND": keras.config.backend(), **environment}
    return subprocess.Popen(command, cwd=ROOT, env=variables, stderr=subprocess.PIPE, text=True)


def said(process) -> str:
    err = process.communicate(timeout=300)[1]
    assert process.returncode == 0, err
    return err


def losses(folder):
    rows = csv.DictReader((folder / "metrics.csv").open())
    return [[float(row[name]) for name in ("loss", "accuracy", "val_loss", "val_accuracy")] for row in rows]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder of runs on one device and on two, in each way that the backend has and resumed; and what was said."""
    folder = tmp_path_factory.mktemp("devices")
    (folder / "run.yaml").write_text(UNEVEN, "utf-8")
    ways = ["data", "model"] if ON_JAX else ["data"]
    overrides = [(f"{way}{end}", f"train.distribution={way}") for way in ways for end in ("", "-resumed")]
    overrides += [("saving", "train.distribution=data,model.rematerialise=true")]
    told = said(run_on_two(folder, "one", *(f"{name},{values}" for name, values in overrides)))
    return folder, told


@pytest.mark.slow
@pytest.mark.parametrize(
    "way", ["data", "saving", pytest.param("model", marks=pytest.mark.skipif(not ON_JAX, reason="JAX"))]
)
def test_losses_are_those_of_one_device(runs, way):
    folder, told = runs
    for row, of_one in zip(losses(folder / way), losses(folder / "one"), strict=True):
        assert row == pytest.approx(of_one, rel=1e-4)
    assert ("2 devices: each has a part of the model" if way == "model" else "2 devices: each has the model") in told
    plan = prepare(load_config(folder / "run.yaml"))
    metrics = plain_metrics(models.load_task(read_model(str(folder / way))), plan.validation)
    assert min(row[2] for row in losses(folder / way)) == pytest.approx(metrics["loss"], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["data", pytest.param("model", marks=pytest.mark.skipif(not ON_JAX, reason="JAX"))])
def test_a_run_on_two_devices_can_be_resumed(runs, way):
    folder, told = runs
    assert "going on from step 4" in told
    assert_same_run(folder / f"{way}-resumed", folder / way)


@pytest.mark.slow
@pytest.mark.skipif(not ON_JAX, reason="TensorFlow's strategy stays in one process")
def test_two_processes_share_a_run(runs, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    alone = {"XLA_FLAGS": "", "KERAS_DISTRIBUTION_JOB_ADDRESSES": address, "KERAS_DISTRIBUTION_NUM_PROCESSES": "2"}
    processes = []
    for number in ("0", "1"):
        (tmp_path / number).mkdir()
        (tmp_path / number / "run.yaml").write_text(UNEVEN, "utf-8")
        run = "run,train.distribution=data"
        processes.append(run_on_two(tmp_path / number, run, KERAS_DISTRIBUTION_PROCESS_ID=number, **alone))
    assert all("2 devices" in said(process) for process in processes)
    assert_same_run(tmp_path / "0/run", tmp_path / "1/run")
    for row, of_one in zip(losses(tmp_path / "0/run"), losses(runs[0] / "one"), strict=True):
        assert row == pytest.approx(of_one, rel=1e-4)


@pytest.fixture
def fit_on(tmp_path, monkeypatch):
    """Fits as if there were some number of devices, and gives the message of the refusal."""
    (tmp_path / "run.yaml").write_text(UNEVEN, "utf-8")

    def refuse(count, *overrides, way="data"):
        for name in ("_jax_devices", "_tensorflow_devices"):
            monkeypatch.setattr(devices, name, lambda: ["cpu:0"] * count)
        config = load_config(tmp_path / "run.yaml", [f"train.distribution={way}", *overrides])
        with pytest.raises(RequestError) as error:
            fit(config, prepare(config), tmp_path / "run", Console(quiet=True))
        assert not (tmp_path / "run").exists()
        return str(error.value)

    return refuse


def test_devices_that_do_not_divide_the_batches(fit_on):
    assert "train.batch_size: 3 devices cannot share a batch, of 8 rows" in fit_on(3)
    assert "train.batch_tokens: 5 devices cannot share a batch" in fit_on(5, "train.batch_tokens=100")
    few = fit_on(4, "train.batch_size=4", "data.validation=0.1")
    assert "of those held out, of" in few
    assert "multiple of 4 and no more than there are examples" in few


def test_devices_that_do_not_divide_the_network_or_have_no_such_way(fit_on, monkeypatch):
    if ON_JAX:
        assert "3 devices cannot share the model's 2 attention heads" in fit_on(3, way="model")
    else:
        assert "model does not run on Keras' tensorflow backend\nset KERAS_BACKEND=jax" in fit_on(2, way="model")
        assert "train.accumulate: with train.distribution=data" in fit_on(2, "train.accumulate=2")
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    assert "data does not run on Keras' torch backend" in fit_on(2)
