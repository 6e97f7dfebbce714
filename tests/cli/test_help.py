"""`--help`: headings, whole sentences, and lines that fit."""

import pytest

from kgpt2.cli.help import cells, wrapped
from kgpt2.cli.main import COMMANDS


@pytest.mark.parametrize("command", ["generate", "evaluate", "serve"])
def test_every_option_stands_under_a_heading(kgpt2, command):
    other = kgpt2(command, "--help").out.split("\nOther:\n")[1].splitlines()
    assert [line.split()[0] for line in other] == ["--debug", "-h,"]


def test_the_headings_of_generate(kgpt2):
    headings = [line for line in kgpt2("generate", "--help").out.splitlines() if line.endswith(":") and line[0] != " "]
    assert headings == ["Prompt:", "Sampling:", "Verse:", "Output:", "Model and runtime:", "Other:"]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("arguments", [(), *((name,) for name in COMMANDS), ("data", "show"), ("verse", "check")])
def test_help_fits(kgpt2, monkeypatch, arguments, width):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = kgpt2(*arguments, "--help").out.splitlines()
    assert max(map(cells, lines)) <= 80
    assert not any(line.endswith("...") and not line.startswith("Usage:") for line in lines)


@pytest.mark.parametrize("width", range(4, 30))
def test_no_line_begins_with_a_closing_mark(width):
    lines = wrapped("文件可以是 .jsonl、.json（也可加 .gz）和 .parquet。见《说明》、README。", width)
    assert not [line for line in lines if line[:1] in tuple("，。、；：！？）》”")]
