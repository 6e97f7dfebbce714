"""Tables at 80 and 120 columns: no row is broken, no figure cut."""

import pytest

from kgpt2.cli.bench_report import comparison_table, throughput_table
from kgpt2.cli.evaluation_report import table
from kgpt2.cli.help import cells
from kgpt2.cli.tables import Table

RATE = {"min": 11234.5, "median": 12345.6, "max": 13456.7}
SIDE = {"tokens_per_second": RATE, "ratio": 1.234, "startup_seconds": 123.4, "peak_memory_mb": 12345.0}
BENCH = {
    "rows": [
        {
            "sampler": sampler,
            "batch": batch,
            "prompt_tokens": 8,
            "new_tokens": 128,
            "dtype": "bfloat16",
            "runtime": "openvino",
            "startup_seconds": 123.45,
            "first_token_seconds": 1.234,
            "tokens_per_second": RATE,
            "milliseconds_per_token": RATE,
            "relative_to_greedy": 1.23,
            "peak_memory_mb": 12345.0,
            "noisy": False,
        }
        for sampler in ("greedy", "top_k", "random")
        for batch in (1, 128)
    ]
}
COMPARE = {
    "checks": [{"name": "logits, the largest difference of any", "found": 1.2e-6, "allowed": 1e-3, "holds": True}],
    "rows": [{"task": "generate", "batch": batch, "keras": SIDE, "torch": SIDE, "noisy": False} for batch in (1, 128)],
}
SCORES = [{"model": f"/home/someone/models/run{number}", "data": "d", "loss": 4.0, "tokens": 10**9} for number in "123"]


def drawn(parts, width):
    return [line for part in parts for line in ([part] if isinstance(part, str) else part.lines(width))]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("parts", [throughput_table(BENCH), comparison_table(COMPARE), [table(SCORES)]])
def test_rows_and_figures_stay_whole(parts, width):
    lines = drawn(parts, width)
    assert max(map(cells, lines)) <= width
    rows = sum(len(part.rows) for part in parts if isinstance(part, Table))
    figures = [line for line in lines if line.split() and line.split()[0] in ("greedy", "top_k", "random", "generate")]
    assert all("12345.6" in line for line in figures)
    assert rows <= len(lines)
    assert all(line == line.rstrip() for line in lines)


def test_what_every_row_says_stands_above_and_what_has_no_room_is_named():
    first, *_, last = drawn(throughput_table(BENCH), 80)
    assert first == "prompt 8, new 128, dtype bfloat16, runtime openvino"
    assert last == "(no room for ms/token; --json has all)"
    narrow = drawn(throughput_table(BENCH), 40)
    assert narrow[-1].startswith("(no room for ms/token")
    assert len(drawn(throughput_table(BENCH), None)) == 1 + len(BENCH["rows"])


def test_paths_lose_their_beginning():
    lines = drawn([table(SCORES)], 50)
    assert [name[-4:] for name in lines[0].split()[1:]] == ["run1", "run2", "run3"]
    assert "1,000,000,000" in lines[2]


def test_two_columns_of_one_name():
    assert drawn([Table(["a", "b", "b"], rows=[["1", "2", "3"]])], 80) == ["a  b  b", "1  2  3"]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("arguments", [("list",), ("show", "samples/tifu"), ("show", "samples/tang")])
def test_data_is_broken_between_words(kgpt2, monkeypatch, arguments, width):
    monkeypatch.delenv("COLUMNS", raising=False)
    whole = kgpt2("data", *arguments).out
    monkeypatch.setenv("COLUMNS", str(width))
    folded = kgpt2("data", *arguments).out
    assert max(map(cells, folded.splitlines())) <= width
    assert "".join(folded.split()) == "".join(whole.split())


@pytest.mark.parametrize("width", [80, 120])
def test_models_have_a_row_each(kgpt2, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = kgpt2("models").out.splitlines()
    assert max(map(cells, lines)) <= width
    assert all(lines)
    assert lines[1].startswith("mini_zh")
    assert lines[2].startswith("gpt2_base_en")
    assert lines[1].endswith("assets/mini_zh")


@pytest.mark.parametrize(("made", "report", "marked"), [(throughput_table, BENCH, 3), (comparison_table, COMPARE, 2)])
def test_rows_of_a_noisy_machine_are_marked(made, report, marked):
    rows = [{**row, "noisy": row["batch"] == 128} for row in report["rows"]]
    assert sum("12345.6 (noisy)" in line for line in drawn(made({**report, "rows": rows}), None)) == marked
