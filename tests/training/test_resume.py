"""A run that was killed and resumed against one that was left alone."""

import json
import shlex
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from rich.console import Console

from kgpt2.config.recipes import load_config
from kgpt2.config.sections import Config
from kgpt2.errors import RequestError, WorkError
from kgpt2.training.folder import require_the_same
from kgpt2.training.prepare import prepare
from kgpt2.training.run import train as fit
from kgpt2.training.snapshots import Saved, latest_snapshot
from kgpt2.training.token_meter import TokenMeter
from tests.training.conftest import BASE, read_events

pytestmark = pytest.mark.backends
RECIPE = BASE.replace("dropout: 0.0", "dropout: 0.1").replace(
    "epochs: 2", "epochs: 3\n  validate_every: 4\n  checkpoint_every: 3"
)
RECIPE = RECIPE.replace("limit: 60", "limit: 60\n  batching: pad")  # one shape: one compilation
UNTIMED = ("seconds", "tokens_per_second", "compile_seconds", "flops_per_second")


def _written(folder):
    (folder / "run.yaml").write_text(RECIPE)
    return folder / "run.yaml"


def interrupted(*_, **__):
    raise KeyboardInterrupt


class Killed(Exception):
    pass


@pytest.fixture
def recipe(tmp_path):
    path = _written(tmp_path)

    def run(folder, *overrides, resume=False, console=None):
        config = load_config(path, overrides)
        return fit(config, prepare(config), tmp_path / folder, console or Console(quiet=True), resume=resume)

    run.folder, run.path = tmp_path, path
    return run


@pytest.fixture
def kill_after(monkeypatch):
    """Ends a run as a kill would, right after a checkpoint was written."""

    def at(step):
        def if_due(self, now, original=Saved._if_due):
            original(self, now)
            if now == step:
                raise Killed

        monkeypatch.setattr(Saved, "_if_due", if_due)

    yield at
    monkeypatch.undo()


def final_state(folder):
    """The weights, and all that was recorded but for times."""
    from kgpt2.checkpoints.names import read_model
    from kgpt2.models import load_task

    weights = load_task(read_model(str(folder))).get_weights()
    summary = json.loads((folder / "summary.json").read_text())
    rows = [line.split(",")[:-1] for line in (folder / "metrics.csv").read_text().splitlines()]
    return weights, {name: value for name, value in summary.items() if name not in UNTIMED}, rows


def assert_same_run(folder, other):
    (weights, summary, rows), (weights2, summary2, rows2) = final_state(folder), final_state(other)
    assert all(np.array_equal(one, two) for one, two in zip(weights, weights2, strict=True))
    assert summary == summary2
    assert rows == rows2


@pytest.mark.parametrize(
    ("step", "overrides"),
    [
        (6, ["data.batching=bucket", "train.accumulate=2", "train.steps=9"]),
        (12, ["data.batching=pack", "train.jit_compile=true"]),
        (6, ["model.dtype=bfloat16", "train.early_stopping=2", "train.learning_rate=0.3", "train.schedule=constant"]),
    ],
)
def test_a_resumed_run_is_the_undisturbed_one_bit_by_bit(recipe, kill_after, monkeypatch, step, overrides):
    assert_resumes(recipe, kill_after, monkeypatch, step, overrides)


def test_low_rank_factors_are_resumed_too(recipe, kill_after, monkeypatch, chinese_preset):
    overrides = [f"model.preset={chinese_preset}", "model.lora={}", "model.sequence_length=32", "train.steps=8"]
    assert_resumes(recipe, kill_after, monkeypatch, 6, overrides)


def assert_resumes(recipe, kill_after, monkeypatch, step, overrides):
    recipe("whole", *overrides)
    kill_after(step)
    with pytest.raises(Killed):
        recipe("killed", *overrides)
    monkeypatch.undo()
    assert not (recipe.folder / "killed/summary.json").exists()
    recipe("killed", *overrides, resume=True)
    assert_same_run(recipe.folder / "killed", recipe.folder / "whole")


def test_a_damaged_checkpoint_gives_way_to_the_one_before(recipe, kill_after, monkeypatch, capsys):
    recipe("whole")
    kill_after(9)
    with pytest.raises(Killed):
        recipe("killed")
    monkeypatch.undo()
    checkpoints = recipe.folder / "killed/checkpoints"
    assert sorted(path.name for path in checkpoints.iterdir()) == ["step-00000006", "step-00000009"], "two are kept"
    state = checkpoints / "step-00000009/state.zip"
    data = bytearray(state.read_bytes())
    data[len(data) // 2] ^= 1
    state.write_bytes(data)
    recipe("killed", resume=True, console=Console(stderr=True))
    said = capsys.readouterr().err.replace("\n", "")
    assert "step-00000009: damaged" in said
    assert "going on from step 6" in said
    assert_same_run(recipe.folder / "killed", recipe.folder / "whole")


def test_other_damages(tmp_path):
    config, told = load_config(_written(tmp_path)), []
    for step, content in ((3, "{}"), (2, "{"), (1, None)):
        folder = tmp_path / f"checkpoints/step-{step:08d}"
        folder.mkdir(parents=True)
        if content:
            (folder / "progress.json").write_text(content)
    assert latest_snapshot(tmp_path, config, "data", told.append) is None
    assert [line.partition(":")[0][-1] for line in told] == ["3", "2", "1"]


def test_another_run_is_not_resumed(recipe, kill_after, monkeypatch, tmp_path):
    kill_after(3)
    with pytest.raises(Killed):
        recipe("killed")
    monkeypatch.undo()
    with pytest.raises(RequestError, match=r"train\.learning_rate \(0\.01 then, 0\.02 now\)"):
        recipe("killed", "train.learning_rate=0.02", resume=True)
    with pytest.raises(RequestError, match=r"data\.limit"):
        recipe("killed", "data.limit=50", resume=True)
    monkeypatch.setattr("kgpt2.data.batches.Batches.fingerprint", "other")
    with pytest.raises(RequestError, match="the data are not those"):
        recipe("killed", resume=True)
    monkeypatch.undo()
    by_time = ["train.checkpoint_every=null", "train.checkpoint_minutes=1e-9", "train.keep_checkpoints=100"]
    assert recipe("killed", *by_time, resume=True)["epochs"] == 3
    steps = sorted(int(path.name[5:]) for path in (recipe.folder / "killed/checkpoints").iterdir())
    assert steps == list(range(3, 19)), "one after every update"


def test_a_complete_run_goes_on_only_if_it_is_given_more(recipe):
    short = ["data.limit=20", "train.steps=6", "train.schedule=wsd", "train.decay=0.0", "train.accumulate=2"]
    recipe("whole", *short, "train.steps=9")
    recipe("run", *short)
    grown = recipe("run", *short, "train.steps=9", "train.decay=0.3", resume=True)
    assert grown["steps"] == 9
    rows = {}
    for name in ("whole", "run"):
        for line in (recipe.folder / name / "metrics.csv").read_text().splitlines()[1:]:
            step, _, rate, *losses = line.split(",")[:-1]
            rows[name, int(step)] = rate, losses
    assert rows["run", 4] == rows["whole", 4]
    assert [step for name, step in rows if name == "run"] == [4, 6, 8, 9], "the end of the short run stays on record"
    assert float(rows["run", 9][0]) < float(rows["whole", 9][0]), "what was added decays"
    with pytest.raises(RequestError, match=r"train\.steps \(9 then, 5 now\)"):
        recipe("run", *short, "train.steps=5", resume=True)
    recipe("bare", *short, "train.checkpoint_every=null")
    with pytest.raises(RequestError, match="no checkpoint to go on from"):
        recipe("bare", *short, "train.checkpoint_every=null", "train.steps=9", resume=True)


def test_an_interrupt_says_how_to_go_on(recipe, monkeypatch):
    monkeypatch.setattr(TokenMeter, "on_train_batch_begin", interrupted)
    with pytest.raises(WorkError, match="before the first step") as caught:
        recipe("unborn")
    command = str(caught.value).partition("`")[2].partition("`")[0]
    unborn = str(recipe.folder / "unborn")
    assert shlex.split(command) == ["kgpt2", "fit", f"{unborn}/config.yaml", "--out", unborn, "--resume"]
    monkeypatch.undo()
    assert not (recipe.folder / "unborn/preset").exists()
    monkeypatch.setattr(Saved, "_if_due", interrupted)
    with pytest.raises(WorkError, match=r"interrupted after step 1.*\nthere is no checkpoint yet"):
        recipe("stopped")


def test_samples_and_curves_of_a_resumed_run_are_neither_doubled_nor_lost(recipe, monkeypatch):
    prompts = ["sample.prompts=[春, 白日依山尽]", "sample.max_new_tokens=4", "train.epochs=2"]
    recipe("whole", *prompts)

    def kill(self, batch, logs=None, original=TokenMeter.on_train_batch_end):
        original(self, batch, logs)
        if self.batches == 5:  # after the validation of step 4, which the checkpoint of step 3 knows nothing of
            raise Killed

    monkeypatch.setattr(TokenMeter, "on_train_batch_end", kill)
    with pytest.raises(Killed):
        recipe("killed", *prompts)
    monkeypatch.undo()
    recipe("killed", *prompts, resume=True)
    assert_same_run(recipe.folder / "killed", recipe.folder / "whole")
    texts = [(recipe.folder / name / "samples.txt").read_text("utf-8") for name in ("killed", "whole")]
    assert texts[0] == texts[1]
    for name in ("train", "validation"):
        killed, whole = (read_events(recipe.folder / folder / "tensorboard" / name) for folder in ("killed", "whole"))
        assert [event.step for event in whole.Scalars("loss")] == [4, 8, 12]
        for tag in ("loss", "accuracy", "perplexity"):
            curves = [[(event.step, event.value) for event in one.Scalars(tag)] for one in (killed, whole)]
            assert curves[0] == curves[1]


@pytest.mark.slow
@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="once is enough: it takes a minute")
def test_kills_at_any_moment(recipe):
    command = [sys.executable, "-m", "kgpt2", "fit", str(recipe.path), "-o", "train.epochs=12", "--resume", "--out"]
    whole, killed = recipe.folder / "whole", recipe.folder / "killed"
    began = time.perf_counter()
    begun = subprocess.run([*command, str(whole)], check=True, capture_output=True, text=True)
    assert "begins anew" in begun.stderr
    took = time.perf_counter() - began
    rng = np.random.default_rng(0)
    for _ in range(2):
        process = subprocess.Popen([*command, str(killed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.4, 0.9) * took)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run([*command, str(killed)], check=True, capture_output=True)
    assert_same_run(killed, whole)
    done = subprocess.run([*command, str(killed)], check=True, capture_output=True, text=True)
    assert "nothing to resume" in done.stderr
    shutil.rmtree(killed)


def test_other_settings_are_repeated_in_bearable_length(tmp_path):
    model = {"from_scratch": {"layers": 1, "heads": 2, "width": 16}}
    then = Config.model_validate({"model": model, "data": {"source": "x" * 1_000_000}})
    now = Config.model_validate({"model": model, "data": {"source": "poetry"}})
    with pytest.raises(RequestError, match=r"data\.source") as caught:
        require_the_same(tmp_path, then, now)
    assert len(str(caught.value)) < 1000


def test_other_settings_are_written_as_yaml_has_them(tmp_path):
    model = {"from_scratch": {"layers": 1, "heads": 2, "width": 16}}
    then = Config.model_validate({"model": model, "data": {"texts": ["春"]}, "train": {"jit_compile": True}})
    now = Config.model_validate({"model": model, "data": {"source": "poetry"}})
    with pytest.raises(RequestError) as caught:
        require_the_same(tmp_path, then, now)
    changed = 'data.source (null then, "poetry" now), data.texts (["春"] then, null now), '
    assert changed + "train.jit_compile (true then, null now)" in str(caught.value)
