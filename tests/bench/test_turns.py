"""Processes that take turns, and what their figures become."""

import json
import sys

import pytest

from kgpt2.bench.turns import Route, paired_ratio, spread
from kgpt2.errors import RequestError, WorkError

ECHO = """
from kgpt2.bench.turns import serve
def prepare():
    print("noise on stdout")
    return lambda request: {"twice": 2 * request["number"]}
serve(prepare)
"""
REFUSING = """
from kgpt2.bench.turns import serve
from kgpt2.errors import RequestError
def prepare():
    raise RequestError("no such thing")
serve(prepare)
"""
FAILING = "import sys\nsys.stderr.write('some noise\\nthe reason\\n')\nsys.exit(3)"


def test_a_route_answers_whatever_libraries_print():
    with Route("echo", [sys.executable, "-c", ECHO], {}) as route:
        assert route.startup > 0
        assert [route.ask(number=number)["twice"] for number in range(3)] == [0, 2, 4]
    assert route._process.poll() == 0


def test_a_refusal_keeps_its_words_and_its_kind():
    with pytest.raises(RequestError, match="no such thing"):
        Route("refusing", [sys.executable, "-c", REFUSING], {})


def test_a_failure_says_what_the_process_said_last():
    with pytest.raises(WorkError, match="failing: its process ended with status 3\nsome noise\nthe reason"):
        Route("failing", [sys.executable, "-c", FAILING], {})


def test_a_process_that_is_killed_names_the_signal():
    with pytest.raises(WorkError, match="killed: its process ended by SIGSEGV"):
        Route("killed", [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"], {})


def test_spread_and_ratio():
    assert spread([3.0, 1.0, 2.0]) == {"min": 1.0, "median": 2.0, "max": 3.0}
    assert paired_ratio([2.0, 30.0, 8.0], [1.0, 10.0, 2.0]) == 3.0, "round by round"


def test_results_are_what_their_files_say(process):
    assert process("-m", "benchmarks.report", "--check").status == 0, "python -m benchmarks.report writes them anew"


def test_the_report_shows_every_figure(tmp_path):
    from benchmarks import report

    content = {
        "environment": {"machine": "a machine", "date": "2026-01-02", "keras": "3.0"},
        "steps": 7,
        "rows": [{"sampler": "greedy", "tokens_per_second": {"min": 1.0, "median": 2.5, "max": 3.0}}],
        "median": {"one": 2.0, "other": 8.0},
        "range": {"one": [1.0, 3.0], "other": [7.0, 9.0]},
        "ratio_to_one": {"one": 1.0, "other": 4.25},
    }
    path = tmp_path / "bench_small.json"
    path.write_text(json.dumps(content), "utf-8")
    text = report.document([path])
    for words in (
        "a machine, 2026-01-02",
        "keras 3.0",
        "steps: 7",
        "2.5 (1 to 3)",
        "4.25",
        "7.0 to 9.0",
        "kgpt2 bench",
    ):
        assert words in text
