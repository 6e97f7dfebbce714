"""Signals that come in the middle of a run; run by test_processes in a process of its own."""

import signal

import pytest

from kgpt2 import interrupts
from kgpt2.checkpoints.names import read_model
from kgpt2.errors import Interrupted
from kgpt2.training.network import TargetModel
from tests.training.test_resume import assert_same_run, recipe  # noqa: F401 - a fixture

pytestmark = pytest.mark.backends


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_the_step_is_traced(recipe, number, monkeypatch):  # noqa: F811
    recipe("whole")

    def compute_loss(self, *arguments, original=TargetModel.compute_loss, **others):
        signal.raise_signal(number)
        monkeypatch.undo()
        return original(self, *arguments, **others)

    monkeypatch.setattr(TargetModel, "compute_loss", compute_loss)
    with pytest.raises(
        Interrupted,
        match=r"interrupted after step 1; .*preset\n`kgpt2 fit .*/config.yaml --out .*stopped --resume` goes on",
    ):
        recipe("stopped")
    read_model(str(recipe.folder / "stopped"))
    recipe("stopped", resume=True)
    assert_same_run(recipe.folder / "stopped", recipe.folder / "whole")


@pytest.mark.parametrize("number", [0, 1])
def test_who_waits_can_be_interrupted(number, party):
    waiting = party(number)
    with interrupts.held_back(lambda: None):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            waiting.gather()
