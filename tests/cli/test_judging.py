"""`kgpt2 evaluate --blind` and `--score`, as a person uses them."""

import csv
import json

import pytest

DATA = ["--data", "samples/couplets", "--limit", 5]


def test_several_models_and_ready_texts_on_one_sheet(kgpt2, verse_preset, chinese_preset, tmp_path):
    sheet, ready = tmp_path / "sheet.csv", tmp_path / "ready.jsonl"
    generated = kgpt2("evaluate", verse_preset, *DATA, "--generate", "--sampler", "greedy", "--out", ready)
    assert generated.status == 0, generated.err
    lines = [json.loads(line) for line in ready.read_text("utf-8").splitlines()]
    assert list(lines[0]) == ["model", "prompt", "text", "completion", "reference"]
    assert lines[0]["text"] == lines[0]["prompt"] + lines[0]["completion"]
    asked = ["evaluate", verse_preset, chinese_preset, *DATA, "--generate", "--blind", sheet]
    result = kgpt2(*asked, "--beside", f"greedy={ready}")
    assert result.status == 0, result.err
    assert "perplexity" in result.out
    rows = list(csv.DictReader(sheet.read_text("utf-8-sig").splitlines()))
    key = json.loads(sheet.with_name("sheet.key.json").read_text("utf-8"))
    sources = [row["source"] for row in key["rows"].values()]
    expected = {"reference", "greedy", str(verse_preset), str(chinese_preset)}
    assert {source: sources.count(source) for source in sources} == dict.fromkeys(expected, 5)
    texts = {row["code"]: row["text"] for row in rows}
    greedy = {texts[code].strip() for code, row in key["rows"].items() if row["source"] == "greedy"}
    completions = {line["completion"][:6] for line in lines}
    assert {text[:6] for text in greedy} == completions, "the prompt in front is left out"
    assert kgpt2(*asked).status == 2, "a sheet is not written over"

    for row in rows:
        row["overall"] = "4" if key["rows"][row["code"]]["source"] == "reference" else "2"
    filled = tmp_path / "filled.csv"
    with filled.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    score = ["evaluate", "--score", filled, "--key", sheet.with_name("sheet.key.json")]
    found = json.loads(kgpt2(*score, "--json").out)["criteria"]["overall"]
    assert found["sources"]["reference"]["mean"] == 4
    assert found["sources"]["greedy"]["mean"] == 2
    assert len(found["pairs"]) == 6
    shown = kgpt2(*score)
    assert shown.status == 0, shown.err
    assert "4.00 to 4.00" in shown.out


def test_models_side_by_side(kgpt2, verse_preset, chinese_preset):
    asked = ["evaluate", verse_preset, chinese_preset, "--data", "samples/couplets", "--limit", 2]
    lines = [json.loads(line) for line in kgpt2(*asked, "--json").out.splitlines()]
    assert [line["model"] for line in lines] == [str(verse_preset), str(chinese_preset)]
    assert f"/{chinese_preset.name}" in kgpt2(*asked).out  # the beginning of a long path is cut


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mini_zh", *DATA, "--blind", "s.csv"], "--generate"),
        (["mini_zh", *DATA, "--generate", "--blind", "s.txt"], ".csv or .tsv"),
        (["mini_zh", "mini_zh", *DATA], "twice"),
        (["mini_zh", *DATA, "--beside", "a=b.txt"], "--blind"),
        (["mini_zh", *DATA, "--generate", "--blind", "s.csv", "--beside", "b.txt"], "NAME=FILE"),
        (["mini_zh", *DATA, "--generate", "--blind", "s.csv", "--beside", "mini_zh=b.txt"], "called mini_zh"),
        (["mini_zh", *DATA, "--generate", "--blind", "s.csv", "--beside", "a=two.txt"], "2 texts, and the data has 5"),
        (DATA, "MODEL"),
        (["mini_zh", "--score", "s.csv"], "--score"),
        (["mini_zh", *DATA, "--key", "s.key.json"], "--key"),
        (["--score", "missing.csv"], "--key FILE names it"),
        (["--score", "missing.csv", "--key", "two.txt"], "two.txt"),
    ],
)
def test_requests_that_cannot_be(kgpt2, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.txt").write_text("春\n夏\n", "utf-8")
    result = kgpt2("evaluate", *arguments)
    assert result.status == 2, result.err
    assert words in result.err
    assert len(result.err.splitlines()) <= 2
    assert not (tmp_path / "s.csv").exists()
