"""Where commands write: what is wrong is told before the work, links and FIFOs stay, nobody shares a destination."""

import errno
import itertools
import json
import os
import shutil
import stat
import threading

import pytest

from kgpt2.outputs import claimed_file, claimed_folder
from tests.conftest import ROOT

RUN = ["fit", ROOT / "configs/quickstart.yaml", "-o", "train.steps=1", "-o", "data.limit=20"]
# Each command with its destination left open, and whether that is a folder.
COMMANDS = {
    "generate": (["generate", "春", "--out"], ""),
    "evaluate": (["evaluate", "mini_zh", "--data", "samples/couplets", "--out"], ".md"),
    "evaluate --blind": (
        ["evaluate", "mini_zh", "--data", "samples/couplets", "--generate", "--blind"],
        ".csv",
    ),
    "bench": (["bench", "mini_zh", "--out"], ".json"),
    "bench --plot": (["bench", "mini_zh", "--plot"], ".png"),
    "compare": (["compare", "mini_zh", "--out"], ".json"),
    "compare --plot": (["compare", "mini_zh", "--plot"], ".svg"),
    "convert": (["convert", "mini_zh"], ""),
    "fit": ([*RUN, "--out"], ""),
    "fit --dry-run": ([*RUN, "--dry-run", "--out"], ""),
}


@pytest.fixture
def no_work(monkeypatch):
    """Reading a model or data fails the command; it is what comes after the look at the destination."""

    def work(*_, **__):
        raise AssertionError("the work has begun")

    monkeypatch.setattr("kgpt2.training.fit.prepare", work)
    monkeypatch.setattr("kgpt2.generation.language_model.open_runtime", work)
    monkeypatch.setattr("kgpt2.conversion.convert.read_all", work)
    monkeypatch.setattr("kgpt2.bench.throughput.measure", work)
    monkeypatch.setattr("kgpt2.bench.comparison.find_parity", work)


@pytest.mark.parametrize("place", ["file/below", "long", "long above", "circle", "other kind"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_destination_that_will_not_do_is_refused_before_the_work(kgpt2, tmp_path, no_work, name, place):
    command, suffix = COMMANDS[name]
    (tmp_path / "file").write_text("mine")
    (tmp_path / f"circle{suffix}").symlink_to(f"circle{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    other = "file" if name.startswith(("convert", "fit")) else f"folder{suffix}"
    names = {"long": "x" * 260, "long above": "x" * 260 + "/file", "other kind": other.removesuffix(suffix)}
    path = tmp_path / (names.get(place, place) + suffix)
    before = sorted(os.listdir(tmp_path))
    result = kgpt2(*command, path)
    assert result.status == 2, result.err
    assert "the work has begun" not in result.err
    assert len(result.err.splitlines()) <= 2
    assert str(path) in result.err
    assert sorted(os.listdir(tmp_path)) == before
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_destination_of_a_living_process_is_refused(kgpt2, tmp_path, no_work, name):
    command, suffix = COMMANDS[name]
    path = tmp_path / f"out{suffix}"
    if name.startswith(("convert", "fit")):
        claim = claimed_folder(path, "D", replaced=name == "convert")
    else:
        claim = claimed_file(path, "D")
    with claim:
        result = kgpt2(*command, path)
    if name == "fit --dry-run":  # which writes nothing
        assert "the work has begun" in result.err
    else:
        assert result.status == 2
        assert "another process is writing there" in result.err
    assert os.listdir(tmp_path) == []


@pytest.fixture
def write(kgpt2, chinese_preset, tmp_path):
    """Generates into a destination."""

    def generate(out, *more):
        settings = ["--model", chinese_preset, "--seed", "3", "--max-new-tokens", "5", "--batch-size", "1", "--json"]
        return kgpt2("generate", *["春", "千山", "床前"] * 4, *settings, "--out", out, *more)

    return generate


def test_results_go_through_a_fifo_as_they_come(write, tmp_path):
    fifo, came = tmp_path / "fifo", []
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: came.append(fifo.read_text("utf-8")))
    reader.start()
    result = write(fifo)
    reader.join(30)
    assert result.status == 0, result.err
    assert write(tmp_path / "file").status == 0
    assert came == [(tmp_path / "file").read_text("utf-8")]
    assert len(came[0].splitlines()) == 12
    assert sorted(os.listdir(tmp_path)) == ["fifo", "file"]
    refused = write(fifo, "--resume")
    assert refused.status == 2
    assert "keeps nothing that could be gone on with" in refused.err


def test_a_reader_that_goes_is_told(write, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: open(fifo, "rb").close())
    reader.start()
    result = write(fifo)
    reader.join(30)
    assert (result.status, len(result.err.splitlines())) == (1, 1), result.err
    assert f"{fifo}: nobody reads it any more" in result.err


def test_a_link_stays_through_an_interrupted_run_and_its_resumption(write, tmp_path, monkeypatch):
    from kgpt2.generation import bulk

    (tmp_path / "disk").mkdir()
    target, link = tmp_path / "disk/results", tmp_path / "out"
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to("disk/results")
    append = bulk.Part.append

    def interrupted(self, *values):
        append(self, *values)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(bulk.Part, "append", interrupted)
        assert write(link).status == 1
    assert target.read_text() == "old"
    assert "holds the results of 8 prompts" in write(link).err
    assert write(link, "--resume").status == 0
    assert link.is_symlink()
    assert len(target.read_text("utf-8").splitlines()) == 12
    assert os.listdir(tmp_path / "disk") == ["results"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    (tmp_path / "other.part").symlink_to("disk/results")
    refused = write(tmp_path / "other")
    assert refused.status == 2
    assert "other.part: results gather there, and this is no file" in refused.err


@pytest.mark.parametrize("windows", [0, 1])
def test_a_disk_that_is_full_is_named_with_the_way_on(write, tmp_path, monkeypatch, windows):
    calls = itertools.count()

    def full(handle, original=os.fsync):
        if next(calls) == 2 * windows:  # results and record
            raise OSError(errno.ENOSPC, "No space left on device")
        original(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        result = write(tmp_path / "out")
    assert result.status == 1
    assert f"{tmp_path}/out.part: No space left on device" in result.err
    assert ("--resume goes on after the 8 prompts" in result.err) == bool(windows)
    assert sorted(os.listdir(tmp_path)) == ["out.part", "out.part.json"][: 2 * windows]
    assert write(tmp_path / "out", "--resume").status == 0
    assert len((tmp_path / "out").read_text("utf-8").splitlines()) == 12


def test_what_is_read_is_not_written_to(kgpt2, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("春\n", "utf-8")
    (tmp_path / "link").symlink_to("a.txt")
    for command in (["generate", "--prompts", path, "--out"], ["evaluate", "mini_zh", "--data", path, "--out"]):
        for out in (path, tmp_path / "link"):
            result = kgpt2(*command, out)
            assert result.status == 2
            assert "the same file is read" in result.err
    both = kgpt2("bench", "mini_zh", "--out", tmp_path / "a.png", "--plot", tmp_path / "a.png")
    assert "the same file is for --out" in both.err
    assert path.read_text("utf-8") == "春\n"


def test_an_empty_folder_that_is_a_link_is_converted_into(kgpt2, chinese_preset, tmp_path):
    (tmp_path / "disk/empty").mkdir(parents=True)
    (tmp_path / "out").symlink_to("disk/empty")
    assert kgpt2("convert", chinese_preset, tmp_path / "out").status == 0
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "disk/empty/config.json").is_file()
    assert os.listdir(tmp_path / "disk") == ["empty"]


def test_a_run_whose_preset_was_moved_aside_by_a_kill_is_a_model_again(kgpt2, chinese_preset, tmp_path):
    run = tmp_path / "run"
    for model in (run, run / "preset"):
        shutil.copytree(chinese_preset, run / ".preset.old.kgpt2")
        (run / "config.yaml").write_text("")
        result = kgpt2("generate", "春", "--model", model, "--seed", "1", "--max-new-tokens", "4")
        assert result.status == 0, result.err
        assert sorted(os.listdir(run)) == ["config.yaml", "preset"]
        shutil.rmtree(run)


def test_fit_mends_and_sweeps_what_a_killed_run_left(kgpt2, tmp_path):
    run = tmp_path / "run"
    for name in (".preset.old.kgpt2", "checkpoints/.step-00000001.old.kgpt2", ".preset.dead_one.kgpt2"):
        (run / name).mkdir(parents=True)
    for name in (".metrics.csv.dead_one.kgpt2", "checkpoints/.step-00000002.dead_one.kgpt2"):
        (run / name).write_text("half")
    result = kgpt2(*RUN, "--out", run)
    assert "a run lies there already" in result.err
    assert sorted(str(path.relative_to(run)) for path in run.rglob("*")) == [
        "checkpoints",
        "checkpoints/step-00000001",
        "preset",
    ]


@pytest.mark.slow
def test_fit_writes_into_a_folder_that_is_a_link_and_needs_no_cache(kgpt2, tmp_path, monkeypatch):
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to("disk")
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("KGPT2_CACHE", str(tmp_path / "cache"))
    (tmp_path / "run.yaml").write_text(
        "model: {from_scratch: {layers: 1, heads: 2, width: 32}, sequence_length: 40}\n"
        "data: {source: samples/tang, limit: 20, validation: 0}\ntrain: {steps: 1, batch_size: 4}\n"
    )
    result = kgpt2("fit", tmp_path / "run.yaml", "--out", tmp_path / "run")
    assert result.status == 0, result.err
    hint = f"note: {tmp_path}/cache: is a file, not a folder, so the"
    assert f"{hint} vocabulary is not kept for the next time\nKGPT2_CACHE=FOLDER" in result.err
    assert f"{hint} tokens are not kept for the next time\nKGPT2_CACHE=FOLDER" in result.err
    assert (tmp_path / "run").is_symlink()
    assert json.loads((tmp_path / "disk/summary.json").read_text())["steps"] == 1
    assert not list(tmp_path.rglob("*.kgpt2"))
    written = kgpt2("generate", "春", "--model", tmp_path / "run", "--max-new-tokens", 3)
    assert written.status == 0
    assert f"{hint} compiled model is not kept for the next time\nKGPT2_CACHE=FOLDER" in written.err
    refused = kgpt2("data", "prepare", "samples/tang")
    assert refused.status == 2
    assert "KGPT2_CACHE=FOLDER" in refused.err
    assert kgpt2("data", "show", "samples/tang").status == 0


def test_a_damaged_compiled_model_is_made_anew_with_a_note(kgpt2, chinese_preset, tmp_path, monkeypatch):
    monkeypatch.setenv("KGPT2_CACHE", str(tmp_path))
    command = ["generate", "春", "--model", chinese_preset, "--sampler", "greedy", "--max-new-tokens", 9]
    first = kgpt2(*command)
    (path,) = (tmp_path / "compiled").iterdir()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    data = bytearray(path.read_bytes())
    for place in range(0, len(data) - 64, 4096):
        data[place] ^= 0x41
    path.write_bytes(data)
    again = kgpt2(*command)
    assert (again.status, again.out) == (0, first.out)
    assert f"note: {path}: damaged, so the compiled model is made anew" in again.err
    third = kgpt2(*command)
    assert (third.status, third.out) == (0, first.out)
    assert "note" not in third.err
