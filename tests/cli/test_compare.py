"""kgpt2 beside PyTorch: equal weights are equal on both, and one that is not is found."""

import json
import shutil

import numpy as np
import pytest

pytest.importorskip("torch")
PARITY = [
    "max_abs_logit_difference",
    "loss_difference",
    "greedy_identical",
    "one_step_max_abs_weight_difference",
]


@pytest.fixture(scope="module")
def hugging_face(tmp_path_factory, chinese_preset):
    """The Chinese preset as a folder of transformers."""
    from pathlib import Path

    from kgpt2.checkpoints.preset import read_preset
    from kgpt2.conversion.convert import convert

    folder = tmp_path_factory.mktemp("compare") / "model"
    convert(read_preset(Path(chinese_preset)), folder, to="transformers")
    return folder


@pytest.mark.slow
def test_parity_holds_and_every_side_is_measured(kgpt2, hugging_face, tmp_path):
    plot = tmp_path / "compare.png"
    options = ["--batch", "2", "--new-tokens", 4, "--rounds", 1, "--kerashub", "--plot", plot, "--json"]
    result = kgpt2("compare", hugging_face, *options)
    assert result.status == 0, result.err
    report = json.loads(result.out)
    assert set(PARITY) <= set(report["parity"])
    require_parity(report)
    assert [(row["task"], row["batch"]) for row in report["rows"]] == [("generate", 2), ("fit", 10)]
    for row in report["rows"]:
        for side in ("keras", "torch", "kerashub"):
            rate = row[side]["tokens_per_second"]
            assert 0 < rate["min"] <= rate["median"] <= rate["max"]
            assert row[side]["startup_seconds"] > 0
            assert row[side]["peak_memory_mb"] > 50
        assert row["torch"]["ratio"] == 1
        assert row["ratio"] == row["keras"]["ratio"] > 0
    assert plot.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_an_english_model_in_a_table(kgpt2, english_preset):
    result = kgpt2("compare", english_preset, "--parity-only")
    assert result.status == 0, result.err
    assert "DIFFERS" not in result.out
    assert result.out.count("equal") == 5


def require_parity(report):
    found = report["parity"]
    assert found["max_abs_weight_difference"] == 0
    assert found["greedy_identical"] is True
    assert found["max_abs_logit_difference"] < 1e-3
    assert found["loss_difference"] < 1e-5
    assert found["one_step_max_abs_weight_difference"] < 5e-6
    assert all(check["holds"] for check in report["checks"])


@pytest.mark.slow
def test_one_weight_that_differs_is_named(kgpt2, hugging_face, chinese_preset, tmp_path):
    from safetensors.numpy import load_file, save_file

    other = tmp_path / "other"
    shutil.copytree(hugging_face, other)
    weights = load_file(other / "model.safetensors")
    changed = "transformer.h.1.mlp.c_fc.weight"
    weights[changed] = np.array(weights[changed])
    weights[changed][3, 5] += 1e-2
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    result = kgpt2("compare", chinese_preset, "--against", other, "--json")
    assert result.status == 1
    assert "h.1.mlp.c_fc.weight" in result.err
    report = json.loads(result.out)
    assert report["parity"]["differing_weights"] == ["h.1.mlp.c_fc.weight"]
    assert report["parity"]["max_abs_weight_difference"] == pytest.approx(1e-2, rel=1e-3)
    assert report["rows"] == [], "what is not the same is not raced"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tasks", "race"], "--tasks: 'race'"),
        (["--batch", "0"], "--batch: 0"),
        (["--against", "nowhere"], "nowhere"),
        (["--runtime", "cuda"], "--runtime: 'cuda'"),
        (["--plot", "x.gif"], "--plot"),
    ],
)
def test_requests_that_cannot_be(kgpt2, chinese_preset, arguments, words):
    result = kgpt2("compare", chinese_preset, *arguments)
    assert result.status == 2
    assert words in result.err


def test_against_a_preset_or_another_shape(kgpt2, chinese_preset, english_preset, hugging_face):
    assert "not a folder of transformers" in kgpt2("compare", chinese_preset, "--against", english_preset).err
    result = kgpt2("compare", english_preset, "--against", hugging_face)
    assert result.status == 2
    assert "another shape" in result.err
