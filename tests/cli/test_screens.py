"""What a terminal of 80 or 120 shows: bars and lines that fit, and colour unless NO_COLOR forbids it."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

from kgpt2 import progress
from kgpt2.cli.help import cells
from kgpt2.training.target import ACCURACY, LOSS
from kgpt2.training.terminal import Shown
from tests.conftest import ROOT

METER = SimpleNamespace(batches=1_000_000, step=1_000_000, tokens_per_second=1_234_567.0)
LOGS = {LOSS: 10.12345, ACCURACY: 0.12345, f"val_{LOSS}": 10.12345, f"val_{ACCURACY}": 0.12345}


@pytest.fixture(params=["C.UTF-8", "zh_CN.UTF-8"])
def language(monkeypatch, request):
    monkeypatch.setenv("LC_ALL", request.param)
    return request.param[:2]


def drawn(console, bar):
    with console.capture() as captured:
        console.print(bar)
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_the_bar_of_a_run_is_one_line(width, language):
    console = Console(width=width, force_terminal=True, color_system=None)
    shown = Shown(METER, 2_000_000, console)
    shown.on_train_batch_end(1, LOGS)
    (line,) = drawn(console, shown._progress.make_tasks_table(shown._progress.tasks))
    assert cells(line) <= width
    step, loss, rate, accuracy = {
        "C.": ("step 1000000", "loss 10.1235", "1,234,567 tokens/s", "accuracy 0.1235"),
        "zh": ("第 1000000 步", "损失 10.1235", "每秒 1,234,567 词元", "准确率 0.1235"),
    }[language]
    for whole in (step, loss, rate, "0:00:00", "-:--:--"):
        assert whole in line
    assert (accuracy in line) == (width == 120)


@pytest.mark.parametrize("width", [80, 120])
def test_the_line_of_a_validation_fits(width, language):
    console = Console(width=width, force_terminal=True, color_system=None)
    with console.capture() as captured:
        Shown(METER, 1, console).on_epoch_end(1, LOGS)
    lines = captured.get().splitlines()
    assert max(map(cells, lines)) <= width
    whole = {
        "C.": "held out: loss 10.1235, accuracy 0.1235, perplexity 24920",
        "zh": "验证：损失 10.1235，准确率 0.1235，困惑度 24920",
    }[language]
    assert whole in captured.get()


@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_a_rate_that_is_none_yet_is_not_shown(rate, language):
    console = Console(width=120, force_terminal=True, color_system=None)
    meter = SimpleNamespace(batches=2, step=2, tokens_per_second=rate)
    with console.capture() as captured:
        Shown(meter, 4, console).on_epoch_end(1, LOGS)
    assert "held out" in captured.get() or "验证" in captured.get()
    assert "tokens/s" not in captured.get()
    assert "词元" not in captured.get()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    ("bar", "tell"),
    [
        (progress.reading, lambda update: update(0.5, 1_234_567)),
        (lambda: progress.writing(1_000_000, 0), lambda update: update(500_000, 123_456.0)),
        (progress.scoring, lambda update: update(0.5, 12_345.67)),
        (progress.converting, lambda update: update(500_000_000, 1_000_000_000)),
    ],
    ids=["reading", "writing", "scoring", "converting"],
)
def test_bars_fit(monkeypatch, width, bar, tell):
    console = Console(width=width, force_terminal=True, color_system=None)
    monkeypatch.setattr(progress, "Console", lambda **_: console)
    with console.capture() as captured, bar() as update:
        tell(update)
        bars = console._live_stack[0].get_renderable()
    lines = drawn(console, bars)
    assert captured.get()
    assert len(lines) == 1
    assert cells(lines[0]) <= width
    assert "…" not in lines[0]


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals here")
@pytest.mark.parametrize(("name", "coloured"), [("", True), ("NO_COLOR", False)])
def test_colour_is_for_terminals_that_want_it(name, coloured):
    ours, theirs = os.openpty()
    environment = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")}
    environment |= {"TERM": "xterm", **({name: "1"} if name else {})}
    command = [sys.executable, "-m", "kgpt2", "fit", "none.yaml"]
    subprocess.run(command, stderr=theirs, cwd=ROOT, env=environment, check=False)
    os.close(theirs)
    said = os.read(ours, 4096).decode()
    assert ("\x1b[31m" in said) is coloured
    assert "none.yaml: there is no such configuration" in said


def test_what_is_no_terminal_gets_no_colour(kgpt2):
    assert kgpt2("fit", "none.yaml").err.startswith("kgpt2: none.yaml")
