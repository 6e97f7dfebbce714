"""What Weights & Biases and MLflow hold of a run, read back with their own means, without a network."""

import csv
import importlib.util
import struct

import pytest

from kgpt2.errors import RequestError, WorkError


@pytest.fixture
def offline(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")


def rows(folder):
    with (folder / "metrics.csv").open() as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def records(path):
    """The records of a .wandb file, which is a log of LevelDB behind seven bytes: checksum, length, kind, data."""
    content, place, parts = path.read_bytes(), 7, b""
    while place + 7 <= len(content):
        if (left := -place % 32768) and left < 7:  # the end of a block, too small for a head
            place += left
            continue
        length, kind = struct.unpack_from("<HB", content, place + 4)
        parts += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


def history(folder):
    """The rows that wandb has left in a run folder, and the ids of their runs."""
    from wandb.proto import wandb_internal_pb2

    found, ids = [], set()
    for path in sorted(folder.glob("wandb/offline-run-*/run-*.wandb")):
        for record in map(wandb_internal_pb2.Record.FromString, records(path)):
            if record.WhichOneof("record_type") == "history":
                items = {item.key or item.nested_key[0]: float(item.value_json) for item in record.history.item}
                found.append({name: value for name, value in items.items() if not name.startswith("_")})
            if record.WhichOneof("record_type") == "run":
                ids.add(record.run.run_id)
    return found, ids


@pytest.mark.backends
def test_wandb_has_the_rows_of_the_table(run, offline):
    pytest.importorskip("wandb")
    _, _, folder = run("train.log=[wandb]", "train.validate_every=4")
    found, ids = history(folder)
    assert len(ids) == 1
    assert len(found) == 3
    assert found == [pytest.approx(row) for row in rows(folder)]
    assert (folder / "tensorboard/train").is_dir()


@pytest.mark.backends
def test_mlflow_has_the_rows_of_the_table(run, offline):
    mlflow = pytest.importorskip("mlflow")
    _, _, folder = run("train.log=[mlflow]", "train.validate_every=4")
    (one,) = mlflow.search_runs(output_format="list")
    assert (one.info.status, one.info.run_name) == ("FINISHED", folder.name)
    assert "optimizer_learning_rate" in one.data.params
    client = mlflow.MlflowClient()
    for name in ("loss", "val_loss", "val_perplexity", "learning_rate"):
        points = [(point.step, point.value) for point in client.get_metric_history(one.info.run_id, name)]
        assert sorted(points) == [(row["step"], pytest.approx(row[name])) for row in rows(folder)]


def test_a_run_of_the_callers_is_left_open(run, offline):
    mlflow = pytest.importorskip("mlflow")
    with mlflow.start_run() as own:
        run("train.log=[mlflow]")
        assert mlflow.active_run().info.run_id == own.info.run_id
    assert mlflow.get_run(own.info.run_id).data.metrics["val_loss"] > 0
    assert len(mlflow.search_runs(output_format="list")) == 1


def test_a_resumed_run_goes_on_in_the_same(tmp_path, offline):
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("wandb")
    import kgpt2
    from tests.training.conftest import BASE

    text = BASE + "  validate_every: 3\n  checkpoint_every: 3\n  log: [wandb, mlflow]\n"
    for epochs in (1, 2):
        (tmp_path / "run.yaml").write_text(text.replace("epochs: 2", f"epochs: {epochs}"))
        kgpt2.fit(tmp_path / "run.yaml", tmp_path / "run", resume=epochs == 2)
    found, ids = history(tmp_path / "run")
    steps = [row["step"] for row in rows(tmp_path / "run")]
    assert (len(ids), {row["step"] for row in found}) == (1, set(steps))
    (one,) = mlflow.search_runs(output_format="list")
    points = mlflow.MlflowClient().get_metric_history(one.info.run_id, "loss")
    assert {point.step for point in points} == set(steps)


def test_a_tracker_that_is_not_there_is_named_before_the_data_is_read(run, monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "wandb" else there(name))
    with pytest.raises(RequestError, match=r"^wandb is not installed here; .*\n.* -m pip install .*\[wandb\]"):
        run("train.log=[wandb]", "data.source=/no/such/file.txt")


def test_a_tracker_that_does_not_start_is_a_line_or_two(run, offline, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://nowhere")
    with pytest.raises(WorkError, match=r"train\.log: mlflow does not start \(.*\)\nMLFLOW_TRACKING_URI") as error:
        run("train.log=[mlflow]")
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize("log", ["[tensorboard]", "[wandb, wandb]", "wandb"])
def test_what_is_no_list_of_trackers_is_refused(run, log):
    with pytest.raises(RequestError, match=r"train\.log"):
        run(f"train.log={log}")
