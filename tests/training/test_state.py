"""Checkpoints that are damaged, or hold values of other types: passed over or refused, never an internal error."""

import json
import shutil
import zipfile

import keras
import numpy as np
import pytest

from kgpt2.config.sections import Config
from kgpt2.errors import RequestError
from kgpt2.training.snapshots import latest_snapshot, save_snapshot
from kgpt2.training.state import is_whole, read_state, write_state

CONFIG = Config.model_validate({"model": {"from_scratch": {}}, "data": {"source": "samples/tang"}})
ROW = {"step": 1, "loss": 0.5}
PROGRESS = {
    "meter": {"batches": 1, "compile_seconds": 0.5},
    "recorded": {"rows": [ROW, ROW], "train": ROW, "validation": None, "waited": 0},
    "samples": {"entries": [{"step": 1, "heading": "step 1", "texts": ["春"]}]},
    "seconds": 1.5,
}


@pytest.fixture
def variables():
    return [keras.Variable(np.arange(6.0).reshape(2, 3)), keras.Variable(3, dtype="int32")]


@pytest.fixture
def run(tmp_path, variables):
    save_snapshot(tmp_path, 1, variables, PROGRESS, CONFIG, "data", 1)
    return tmp_path


def test_a_checkpoint_is_what_was_saved(run):
    found = latest_snapshot(run, CONFIG, "data", lambda told: None)
    assert (found.step, found.progress) == (1, PROGRESS)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        ((), []),
        (("step",), "1"),
        (("step",), True),
        (("step",), 10**400),
        (("data",), 5),
        (("config",), []),
        (("config", "model"), "x"),
        (("progress",), None),
        (("progress", "seconds"), "long"),
        (("progress", "seconds"), float("nan")),
        (("progress", "meter"), []),
        (("progress", "meter", "batches"), [1]),
        (("progress", "recorded", "rows"), [5]),
        (("progress", "recorded", "rows", 0), {"other": 1}),
        (("progress", "recorded", "train"), 1),
        (("progress", "recorded", "waited"), 1.5),
        (("progress", "samples"), {}),
        (("progress", "samples", "entries", 0, "texts"), [1]),
    ],
    ids=str,
)
def test_progress_of_another_type_is_damage(run, keys, value):
    (path,) = run.glob("checkpoints/*/progress.json")
    document = {"": json.loads(path.read_text("utf-8"))}
    inner, keys = document, ("", *keys)
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path.write_text(json.dumps(document[""]), "utf-8")
    told = []
    assert latest_snapshot(run, CONFIG, "data", told.append) is None
    assert "damaged" in told[0]


def npy(shape, dtype="<f4", data=b""):
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    header = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npy((2, 3), data=bytes(24)), None),
        (npy((2, 3), data=bytes(20)), "cannot be read"),
        (npy((10**12, 10**6)), "another shape"),
        (npy((2, 3), "|O", bytes(48)), "are no numbers"),
        (npy((2, 3), "<U1", bytes(24)), "are no numbers"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_arrays_that_are_not_what_was_promised(tmp_path, variables, content, words):
    with zipfile.ZipFile(tmp_path / "state.zip", "w") as archive:
        archive.writestr("0.npy", content)
        archive.writestr("1.npy", npy((), "<i4", bytes(4)))
    if words is None:
        read_state(tmp_path / "state.zip", variables)
        return
    with pytest.raises(RequestError, match=words):
        read_state(tmp_path / "state.zip", variables)


def test_what_is_no_whole_archive(tmp_path, variables):
    path = tmp_path / "state.zip"
    write_state(path, variables)
    assert is_whole(path)
    with zipfile.ZipFile(tmp_path / "packed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.npy", bytes(1 << 20))
    assert not is_whole(tmp_path / "packed.zip")
    data = path.read_bytes()
    for cut in (0, 10, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:cut])
        assert not is_whole(path)
    shutil.rmtree(tmp_path)
    assert not is_whole(path)
