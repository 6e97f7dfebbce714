"""Interrupts of a run, and of one of two processes that train together."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import keras
import pytest

from kgpt2.errors import RequestError, WorkError
from kgpt2.training import processes
from tests.conftest import ROOT

pytestmark = pytest.mark.backends
ON_JAX = keras.config.backend() == "jax"
WITHOUT_END = """\
model:
  from_scratch: {layers: 1, heads: 2, width: 16}
  sequence_length: 16
data: {source: samples/tang, limit: 32, validation: 0, batching: pad}
train: {steps: 1000000, batch_size: 8, validate_every: 1000000, checkpoint_every: 20, distribution: data}
"""


class Two:
    """Two processes that train together, each with a checkpoint already."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        (folder / "run.yaml").write_text(WITHOUT_END, "utf-8")
        self.runs = [folder / "0", folder / "1"]
        self.processes = [self._start(folder, number, address) for number in (0, 1)]

    def _start(self, folder, number, address):
        variables = {"JOB_ADDRESSES": address, "NUM_PROCESSES": "2", "PROCESS_ID": str(number)}
        environment = {f"KERAS_DISTRIBUTION_{name}": value for name, value in variables.items()}
        environment |= {"KERAS_BACKEND": "jax", "XLA_FLAGS": ""}
        command = [sys.executable, "-m", "kgpt2", "fit", str(folder / "run.yaml"), "--out", str(self.runs[number])]
        return subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def wait_for_checkpoints(self):
        while not all(self.steps(run) for run in self.runs):
            assert all(process.poll() is None for process in self.processes), self.processes[0].communicate()
            time.sleep(0.1)

    def steps(self, run) -> list[int]:
        return sorted(int(path.name[5:]) for path in run.glob("checkpoints/step-*"))

    def end(self, number: int) -> tuple[int, str, float]:
        """Exit status, last lines and seconds of a process that comes to its end."""
        began = time.monotonic()
        err = self.processes[number].communicate(timeout=300)[1]
        return self.processes[number].returncode, "\n".join(err.splitlines()[-2:]), time.monotonic() - began


@pytest.fixture
def two(tmp_path):
    two = Two(tmp_path)
    two.wait_for_checkpoints()
    yield two
    for process in two.processes:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.skipif(not ON_JAX, reason="TensorFlow's strategy stays in one process")
@pytest.mark.parametrize(("number", "whom"), [(signal.SIGTERM, 1), (signal.SIGINT, 0)], ids=["SIGTERM", "SIGINT"])
def test_an_interrupt_of_one_stops_both_after_the_same_step(two, number, whom):
    two.processes[whom].send_signal(number)
    steps = []
    for process, run in enumerate(two.runs):
        status, said, _ = two.end(process)
        assert status == 1, said
        assert "kgpt2: interrupted after step " in said
        assert "--resume` goes on from the last checkpoint" in said
        steps.append(two.steps(run)[-1])
        assert f"after step {steps[-1]:,};" in said
    assert steps[0] == steps[1]


@pytest.mark.slow
@pytest.mark.skipif(not ON_JAX, reason="TensorFlow's strategy stays in one process")
@pytest.mark.parametrize("whom", [0, 1])
def test_the_death_of_one_ends_the_other_in_a_line(two, whom):
    two.processes[whom].kill()
    status, said, seconds = two.end(1 - whom)
    assert status == 1
    assert said == f"kgpt2: {processes.LOST}"
    assert seconds < 60


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PROCESS_ID": "1"}, "NUM_PROCESSES and PROCESS_ID are wanted"),
        ({"JOB_ADDRESSES": "here", "NUM_PROCESSES": "2", "PROCESS_ID": "1"}, "HOST:PORT of process 0"),
        ({"JOB_ADDRESSES": "127.0.0.1:1", "NUM_PROCESSES": "2", "PROCESS_ID": "2"}, "PROCESS_ID: 2 will not do"),
    ],
    ids=["alone", "no port", "too many"],
)
@pytest.mark.skipif(not ON_JAX, reason="JAX")
def test_wrong_variables(variables, words, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(f"KERAS_DISTRIBUTION_{name}", value)
    with pytest.raises(RequestError, match=words):
        processes.meet()


def test_processes_meet_and_notice_who_leaves(party):
    others = [party(1, 3), party(2, 3)]  # they may come before process 0
    threads = [threading.Thread(target=one.gather) for one in others]
    for thread in threads:
        thread.start()
    first = party(0, 3)
    first.gather()
    for thread in threads:
        thread.join(20)
    assert not first.lost.is_set()
    others[1].lines[0].shutdown(socket.SHUT_RDWR)
    assert first.lost.wait(20)
    assert not others[0].lost.is_set()


@pytest.mark.parametrize("number", [0, 1])
def test_who_waits_in_vain_says_for_whom(number, party, monkeypatch):
    monkeypatch.setattr(processes, "_MEETING", 0.2)
    with pytest.raises(WorkError, match=r"the 2 processes of this run did not meet.*\n.*reach 127\.0\.0\.1:\d+"):
        party(number).gather()


def test_signals_that_come_in_the_middle_of_a_run(process):
    done = process(
        "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", ROOT / "tests/training/interrupts_here.py"
    )
    assert done.status == 0, done.out
