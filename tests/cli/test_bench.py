import json

import pytest

ROW = [
    "sampler",
    "batch",
    "prompt_tokens",
    "new_tokens",
    "dtype",
    "runtime",
    "startup_seconds",
    "first_token_seconds",
    "tokens_per_second",
    "milliseconds_per_token",
    "relative_to_greedy",
    "peak_memory_mb",
    "noisy",
]


@pytest.mark.slow
def test_rows_and_a_picture(kgpt2, chinese_preset, tmp_path):
    options = ["--batch", "1,3", "--samplers", "greedy,top_p,beam", "--new-tokens", 8, "--rounds", 2]
    plot, out = tmp_path / "bench.png", tmp_path / "bench.json"
    result = kgpt2("bench", chinese_preset, *options, "--plot", plot, "--out", out, "--json")
    assert result.status == 0, result.err
    report = json.loads(result.out)
    assert report == json.loads(out.read_text("utf-8"))
    assert {"machine", "date", "python", "kgpt2", "device"} <= set(report["environment"])
    assert [(row["sampler"], row["batch"]) for row in report["rows"]] == [
        (sampler, batch) for sampler in ("greedy", "top_p", "beam") for batch in (1, 3)
    ]
    for row in report["rows"]:
        assert list(row) == ROW
        assert (row["prompt_tokens"], row["new_tokens"], row["runtime"]) == (8, 8, "openvino")
        rate, step = row["tokens_per_second"], row["milliseconds_per_token"]
        assert 0 < rate["min"] <= rate["median"] <= rate["max"]
        for one, other in (("min", "max"), ("max", "min")):
            assert step[one] == pytest.approx(1000 * row["batch"] / rate[other])
        assert row["startup_seconds"] > row["first_token_seconds"] > 0
        assert row["peak_memory_mb"] > 50
        assert row["sampler"] != "greedy" or row["relative_to_greedy"] == 1
    assert plot.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_the_keras_runtime_and_a_table(kgpt2, chinese_preset, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    options = ["--batch", "1", "--samplers", "top_k", "--runtime", "keras", "--rounds", 1]
    result = kgpt2("bench", chinese_preset, *options)
    assert result.status == 0, result.err
    assert "top_k" in result.out
    assert "56" in result.out, "what the context of 64 leaves after a prompt of 8"
    assert "first token s" in result.out, "whole in a narrow window"
    assert "…" not in result.out


@pytest.mark.slow
def test_the_article_is_taken_apart(kgpt2, chinese_preset, tmp_path):
    plot = tmp_path / "article.svg"
    result = kgpt2("bench", chinese_preset, "--article", "--json", "--plot", plot)
    assert result.status == 0, result.err
    report = json.loads(result.out)
    assert report["environment"]["device"] == "cpu"
    calls = report["article"]["calls"]
    assert [call["call"] for call in calls] == ["first", "again", "after compile()", "again after it"]
    first, again, after, last = calls
    assert first["compiling_share"] > 0.5
    assert after["compiling_share"] > 0.5, "compile() throws the program away"
    assert min(again["seconds"], last["seconds"]) < min(first["seconds"], after["seconds"])
    for call in calls:
        assert call["claimed_tokens_per_second"] == pytest.approx(64 / call["seconds"])
        assert call["new_tokens"] <= 64 - call["prompt_tokens"]
    assert len(report["article"]["findings"]) == 4
    assert report["rows"][0]["sampler"] == "top_k"
    assert "compile()" in plot.read_text("utf-8") or plot.stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--samplers", "greedy,best"], "--samplers: 'best'"),
        (["--batch", "1,x"], "whole numbers"),
        (["--batch", "0"], "--batch: 0"),
        (["--new-tokens", "60"], "do not fit the context of 64"),
        (["--prompt-tokens", "64"], "do not fit the context of 64"),
        (["--dtype", "int8", "--runtime", "keras"], "dtype: int8"),
        (["--dtype", "int2"], "--dtype: 'int2'"),
        (["--plot", "bench.txt"], "--plot: bench.txt must end in"),
    ],
)
def test_requests_that_cannot_be(kgpt2, chinese_preset, arguments, words):
    result = kgpt2("bench", chinese_preset, *arguments)
    assert result.status == 2
    assert words in result.err


def test_a_model_that_is_not_there(kgpt2):
    assert kgpt2("bench", "no-such-model").status == 2


def test_noise_is_said():
    from kgpt2.bench.noise import too_noisy

    quiet, wide = {"min": 95, "median": 100, "max": 105}, {"min": 60, "median": 100, "max": 110}
    assert too_noisy(0.01, [quiet]) is None
    assert "1 of 2 rows" in too_noisy(0.0, [quiet, wide])
    assert "something else took 50% of the processors" in too_noisy(0.5, [quiet])


@pytest.mark.parametrize(("others", "noisy"), [(0.01, [False, True, True]), (0.5, [True, True, True])])
def test_rows_know_whether_the_machine_was_too_noisy_for_them(monkeypatch, capsys, others, noisy):
    from kgpt2.cli import bench_report

    monkeypatch.setattr(bench_report, "busy", lambda: others)
    quiet, wide = ({"tokens_per_second": {"min": least, "median": 100, "max": 110}} for least in (95, 60))
    with bench_report.measured("a model") as report:
        report["rows"] = [dict(quiet), dict(wide), {"task": "fit", "keras": quiet, "torch": wide}]
    assert [row["noisy"] for row in report["rows"]] == noisy
    assert "too noisy to tell" in capsys.readouterr().err


def test_others_are_seen():
    import subprocess
    import sys

    from kgpt2.bench.environment import busy

    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            found = busy()
        finally:
            other.kill()
    assert found > 0.01
