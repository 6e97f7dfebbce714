"""What a run shows of itself, read back with other means than those that wrote it."""

import csv

import numpy as np
import pytest
from matplotlib.image import imread
from rich.console import Console
from tensorboard.util.tensor_util import make_ndarray

import kgpt2
from kgpt2.checkpoints.names import read_model
from kgpt2.errors import RequestError
from kgpt2.generation.keras.runtime import KerasRuntime
from kgpt2.models import load_task
from kgpt2.training.curves import draw_curves
from tests.training.conftest import BASE, read_events

PROMPTS = ["春", "白日依山尽"]


@pytest.mark.backends
def test_samples_and_tensorboard(run, monkeypatch, capsys):
    runtimes = []

    class Seen(KerasRuntime):
        def __init__(self, task):
            super().__init__(task)
            runtimes.append(self)

    monkeypatch.setattr("kgpt2.training.run.KerasRuntime", Seen)
    options = ["model.dropout=0.1", "train.validate_every=4"]
    asked = ["sample.prompts=[春, 白日依山尽]", "sample.sampler=greedy", "sample.max_new_tokens=12"]
    summary, plan, folder = run(*options, *asked, console=Console(stderr=True, width=200))
    _, _, without = run(*options)
    rows = list(csv.DictReader((folder / "metrics.csv").open()))

    sampled, plain = (load_task(read_model(str(one))).get_weights() for one in (folder, without))
    assert all(np.array_equal(one, other) for one, other in zip(sampled, plain, strict=True))
    assert [one.compilations for one in runtimes] == [3, 0], "weights, prefill and loop, once for the whole run"
    assert not (without / "samples.txt").exists()

    blocks = (folder / "samples.txt").read_text("utf-8").strip().split("\n\n")
    headings = [f"== step {row['step']}, validation loss {float(row['val_loss']):.4f} ==" for row in rows]
    assert blocks[::3] == headings
    assert len(headings) == plan.updates / 4
    assert float(rows[-1]["val_loss"]) == summary["validation"]["loss"], "the preset is the last model"
    results = kgpt2.load(folder, runtime="openvino").generate(PROMPTS, sampler="greedy", max_new_tokens=12)
    assert blocks[-2:] == [result.text for result in results]
    shown = capsys.readouterr().err
    assert all(f"sample: {block}" in shown for block in blocks[-2:])

    for name, prefix in (("train", ""), ("validation", "val_")):
        events = read_events(folder / "tensorboard" / name)
        for tag in events.Tags()["scalars"]:
            column = tag if tag in ("learning_rate", "tokens_per_second") else prefix + tag
            found = [(event.step, event.value) for event in events.Scalars(tag)]
            wanted = [(int(row["step"]), float(row[column])) for row in rows]
            assert found == [(step, pytest.approx(value)) for step, value in wanted]
    events = read_events(folder / "tensorboard/train")
    assert {"learning_rate", "loss", "accuracy", "perplexity", "tokens_per_second"} == set(events.Tags()["scalars"])
    texts = [make_ndarray(event.tensor_proto) for event in events.Tensors("samples")]
    assert [text.decode() for text in texts[-1]] == blocks[-2:]


def test_samples_that_cannot_be_are_refused_before_keras_starts(run):
    with pytest.raises(RequestError, match=r"sample: the prompt .* has 41 tokens, .* context is 40"):
        run(f"sample.prompts=[{'春' * 40}]")
    with pytest.raises(RequestError, match=r"sample\.temperature: 0\.0 will not do"):
        run("sample.temperature=0.0")


def test_event_files_need_no_tensorflow(process, tmp_path):
    program = (
        "import sys; sys.modules['tensorflow'] = None; from pathlib import Path\n"
        "from kgpt2.training.tensorboard import EventFile\n"
        f"EventFile(Path({str(tmp_path)!r}), 1).add(3, {{'loss': 0.5}}, ['春'])"
    )
    result = process("-c", program, KERAS_BACKEND="jax")
    assert result.status == 0, result.err
    (event,) = read_events(tmp_path).Scalars("loss")
    assert (event.step, event.value) == (3, 0.5)


@pytest.mark.parametrize("validated", [True, False])
@pytest.mark.parametrize("count", [1, 5])
def test_curves(tmp_path, validated, count):
    rows = [{"step": 4 * n, "loss": 3 / n, "learning_rate": 1e-3 / n} for n in range(1, count + 1)]
    if validated:
        rows = [row | {"val_loss": row["loss"] + 0.1 * row["step"]} for row in rows]
    draw_curves(rows, tmp_path / "curves.png")
    pixels = imread(tmp_path / "curves.png")
    assert pixels.shape[:2] == (720, 960)
    dark = (pixels[..., :3].max(-1) < 0.3).any(axis=1)
    assert dark.any(), "axes and labels"


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["module://no_such_inline.backend", "inline_of_a_notebook"])
def test_the_backend_of_a_notebook_does_not_matter(process, tmp_path, backend):
    (tmp_path / "run.yaml").write_text(BASE)
    flags = ("-o", "train.steps=1", "-o", "train.epochs=null", "--out", tmp_path / "run")
    result = process("-m", "kgpt2", "fit", tmp_path / "run.yaml", *flags, MPLBACKEND=backend)
    assert result.status == 0, result.err
    assert imread(tmp_path / "run/curves.png").shape[:2] == (720, 960)


def test_matplotlib_is_imported_when_a_picture_is_drawn(process):
    result = process("-c", "import sys, kgpt2.training.curves, kgpt2.bench.plots; print('matplotlib' in sys.modules)")
    assert result.out == "False\n", result.err


@pytest.mark.parametrize(("patience", "terminal"), [(0.0, False), (60.0, False), (0.0, True)])
def test_a_log_says_what_is_compiled_where_that_takes_a_while(run, monkeypatch, capsys, patience, terminal):
    monkeypatch.setattr("kgpt2.training.terminal._PATIENCE", patience)
    run("train.epochs=3", console=Console(stderr=True, width=200, force_terminal=terminal))
    lines = capsys.readouterr().err.splitlines()
    said = [line for line in lines if line.startswith("compiling the first ")]
    wanted = [f"compiling the first {what}, which may take a minute" for what in ("step", "validation")]
    assert said == (wanted if patience == 0 and not terminal else [])


def test_where_no_rate_was_measured_none_is_shown(run, capsys):
    run("train.steps=1", "train.epochs=null", console=Console(stderr=True, width=200))
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("step 1 |")]
    assert "tokens/s" not in line


def test_the_learning_rate_is_written_as_it_was_given(run):
    _, _, folder = run("train.steps=1", "train.epochs=null", "train.schedule=constant", "train.warmup=0")
    (row,) = csv.DictReader((folder / "metrics.csv").open())
    assert row["learning_rate"] == "0.01"
