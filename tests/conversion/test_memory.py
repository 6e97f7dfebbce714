import json

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("to", ["keras", "transformers"])
def test_conversion_streams(process, to):
    """A model of gpt2-base's size: never more memory than the model and its largest tensor."""
    result = process("-m", "benchmarks.memory.conversion_memory", "--size", "base", "--to", to)
    assert result.status == 0, result.err
    report = json.loads(result.out)
    assert report["model_mb"] > 400
    assert report["peak_above_imports_mb"] <= report["limit_mb"]
