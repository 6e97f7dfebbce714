"""Every file in configs/, as written and shortened on small stand-ins."""

import csv
import json
import re

import pytest

from kgpt2.assets import MODELS, sample_path
from kgpt2.config.recipes import load_config
from tests.conftest import ROOT

PATHS = sorted((ROOT / "configs").glob("*.yaml"))
SHORT = ["train.steps=4", "train.validate_every=2", "train.batch_size=4"]
SHORT += ["model.sequence_length=24", "data.limit=24", "data.batching=pad"]
SAMPLES = {
    "chinese_poetry": "samples/tang",
    "couplets/verse": "samples/couplets",
    "english.txt": "samples/tifu",
    "reddit_tifu": "samples/tifu",
    "verse": "samples/tang",
}


@pytest.fixture
def shortened(request):
    """The overrides that run a recipe in seconds, and a prompt for it."""

    def overrides(path):
        model, data = load_config(path).model, load_config(path).data
        english = (model.preset or "").startswith("gpt2_") or data.source == "english.txt"
        changed = [*SHORT]
        if model.preset and model.preset not in MODELS:
            changed.append(f"model.preset={request.getfixturevalue('english_preset' if english else 'chinese_preset')}")
        elif not model.preset:
            changed.append("model.from_scratch={layers: 2, heads: 2, width: 32}")
        if model.freeze_layers:
            changed.append("model.freeze_layers=1")
        if data.source == "couplets:train":
            changed.append(f"data.path={sample_path('couplets')}")
        elif data.source and not data.source.startswith("samples/"):
            changed += [f"data.source={sample}" for name, sample in SAMPLES.items() if data.source.startswith(name)]
        return changed, "hello" if english else "春"

    return overrides


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_recipe_runs_and_its_preset_writes(kgpt2, shortened, tmp_path, path):
    run, (overrides, prompt) = tmp_path / "run", shortened(path)
    flags = [flag for override in overrides for flag in ("-o", override)]
    result = kgpt2("fit", path, *flags, "--out", run, "--json")
    assert result.status == 0, result.err
    summary = json.loads(result.out)
    assert summary == json.loads((run / "summary.json").read_text())
    assert summary["steps"] == 4
    config = load_config(run / "config.yaml")
    assert (summary["validation"] is None) == (config.data.validation == 0)
    whole = not (config.model.lora or config.model.freeze_layers)
    assert (summary["trainable_parameters"] == summary["parameters"]) == whole
    assert [row["step"] for row in csv.DictReader((run / "metrics.csv").open())] == ["2", "4"]
    written = kgpt2("generate", prompt, "--model", run, "--max-new-tokens", "4", "--json")
    assert written.status == 0, written.err
    assert json.loads(written.out)["text"].startswith(prompt)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_recipe_is_valid_and_says_how_to_run_it(path):
    load_config(path)
    said = path.read_text("utf-8")
    fitted, out = re.search(r"^#   kgpt2 fit configs/(\S+) .*--out (\S+)$", said, re.M).groups()
    assert fitted == path.name
    assert re.search(rf"^#   kgpt2 generate .*--model {out}\b", said, re.M)


def test_the_protocols_of_tutorial_and_articles():
    recipes = {path.stem: load_config(path) for path in PATHS}
    tifu, poetry = recipes["reddit_tifu"], recipes["tang_poetry"]
    assert (tifu.model.preset, tifu.train.epochs) == ("gpt2_base_en", 1)
    assert (tifu.data.limit, tifu.data.limit // tifu.train.batch_size) == (16_000, 500)
    assert (poetry.data.limit, poetry.train.steps) == (10_000, 500)
    for recipe in (tifu, poetry):
        train = recipe.train
        assert (recipe.model.sequence_length, train.batch_size) == (128, 32)
        assert (train.schedule, train.learning_rate, train.end_learning_rate) == ("polynomial", 5e-5, 0)
        assert (train.optimizer, train.clip_norm, train.warmup) == ("adam", None, 0)
    couplets, sentence = recipes["couplets"], recipes["one_sentence"]
    assert (couplets.model.preset, couplets.train.epochs) == ("hf://uer/gpt2-chinese-cluecorpussmall", 3)
    assert (sentence.model.preset, sentence.train.learning_rate) == ("gpt2_medium_en", 1e-5)
    assert {couplets.train.optimizer, sentence.train.optimizer} == {"adamw"}
    assert recipes["lora"].model.lora
    assert recipes["freeze"].model.freeze_layers
