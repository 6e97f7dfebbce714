"""The fuzzers of benchmarks/ with fewer mutants: damaged files of every format, and structures that are the harm."""

import json

import pytest

pytest.importorskip("torch")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("arguments", [("--mutants", 20), ("--mutants", 0, "--structures")], ids=["mutants", "hostile"])
def test_no_crash_no_hang_and_no_full_memory(process, arguments):
    result = process("-m", "benchmarks.parity.fuzz", *arguments, TOKENIZERS_PARALLELISM="false")
    assert result.out, result.err
    report = json.loads(result.out)
    assert not {name: one["wrong"] for name, one in report["formats"].items() if one["wrong"]}
    assert sum(one["refused"] for one in report["formats"].values()) > 20
