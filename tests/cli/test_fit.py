"""The commands as users type them, on the packaged samples and on a folder of poems."""

import json

import pytest

from tests.conftest import ROOT


def test_from_scratch_on_a_folder_of_poems_then_generate(kgpt2, poetry, tmp_path):
    options = ["train.steps=4", "train.validate_every=2", "train.batch_size=8", "data.validation=0.2"]
    options += ["model.from_scratch.width=32", "model.sequence_length=32", f"data.path={poetry}"]
    flags = [flag for option in options for flag in ("-o", option)]
    run = tmp_path / "run"
    result = kgpt2("fit", ROOT / "configs/from_scratch.yaml", *flags, "--out", run, "--json")
    assert result.status == 0, result.err
    assert json.loads(result.out) == json.loads((run / "summary.json").read_text())
    assert "step 4" in result.err
    written = kgpt2("generate", "春", "--model", run, "--seed", "1", "--max-new-tokens", "8")
    assert written.status == 0, written.err
    assert written.out.startswith("春")
    refused = kgpt2("fit", ROOT / "configs/from_scratch.yaml", *flags, "--out", run)
    assert refused.status == 2


@pytest.mark.slow
def test_the_quickstart_teaches_mini_zh_couplets(kgpt2, tmp_path):
    train, test = "samples/couplets:train", "samples/couplets:test"
    run, flags = tmp_path / "quickstart", ["-o", f"data.source={train}", "-o", f"data.validation={test}"]
    result = kgpt2("fit", ROOT / "configs/quickstart.yaml", *flags, "--out", run, "--json")
    assert result.status == 0, result.err
    before, after = (json.loads(kgpt2("evaluate", model, "--data", test, "--json").out) for model in ("mini_zh", run))
    assert after["bits_per_character"] < before["bits_per_character"] - 0.2
    written = kgpt2("generate", "春风", "--model", run, "-n", "20", "--seed", "0", "--json")
    texts = [json.loads(line)["text"] for line in written.out.splitlines()]
    assert sum("-" in text for text in texts) >= 15, texts


def test_data_in_another_encoding_is_learned_as_the_model_reads_it(kgpt2, chinese_preset, tmp_path):
    path, config = tmp_path / "a.csv", tmp_path / "a.yaml"
    path.write_bytes("id;text\n1;春眠不觉晓,处处闻啼鸟.\n2;[CLS]白日依山尽,\n".encode("gb18030"))
    config.write_text(f"model: {{preset: {chinese_preset}, sequence_length: 32}}\ndata: {{source: {path}}}\n", "utf-8")
    options = ["fit", config, "--dry-run", "--json"]
    refused = kgpt2(*options)
    assert refused.status == 2
    assert "data.encoding" in refused.err
    options += ["-o", "data.encoding=gb18030"]
    notes = "\n".join(json.loads(kgpt2(*options).out)["notes"])
    assert "2 cleaned: marks or characters in the form that the model knows" in notes
    assert "1 cleaned: start or end tokens at the ends left out" in notes
    assert "unknown" not in notes
    typed = "\n".join(json.loads(kgpt2(*options, "-o", "data.as_typed=true").out)["notes"])
    assert "cleaned" not in typed
    assert "unknown to the vocabulary" in typed


def test_a_writing_that_the_model_does_not_know_is_said(kgpt2, tmp_path, chinese_preset):
    (tmp_path / "a.txt").write_text("αβγδε ζηθ\n" * 5, "utf-8")
    overrides = [f"model.preset={chinese_preset}", f"data.source={tmp_path / 'a.txt'}", "model.sequence_length=32"]
    options = [flag for override in overrides for flag in ("-o", override)]
    done = kgpt2("fit", ROOT / "configs/quickstart.yaml", *options, "--out", tmp_path / "run", "--dry-run", "--json")
    assert "the model does not know this writing" in "\n".join(json.loads(done.out)["notes"])


def test_a_dry_run_writes_nothing(kgpt2, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = kgpt2("fit", ROOT / "configs/quickstart.yaml", "--dry-run")
    assert result.status == 0
    assert "examples to learn from" in result.err
    assert "weight_decay" in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("held_out", "what"), [("0.1", "a validation"), ("0", "a row of metrics")])
def test_what_comes_again_and_again_is_said(kgpt2, tmp_path, monkeypatch, held_out, what):
    monkeypatch.chdir(tmp_path)
    overrides = ["-o", f"data.validation={held_out}", "-o", "train.epochs=null", "-o", "train.steps=6"]
    said = kgpt2("fit", ROOT / "configs/quickstart.yaml", *overrides, "-o", "train.validate_every=2", "--dry-run").err
    assert f"6 steps, {what} every 2\n" in said


def test_an_interrupted_run_keeps_its_model(kgpt2, tmp_path, monkeypatch):
    from kgpt2.training.token_meter import TokenMeter

    ends = iter(range(100))
    original = TokenMeter.on_train_batch_end

    def interrupt(self, batch, logs=None):
        original(self, batch, logs)
        if next(ends) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(TokenMeter, "on_train_batch_end", interrupt)
    run = tmp_path / "run"
    result = kgpt2("fit", ROOT / "configs/quickstart.yaml", "--out", run)
    assert result.status == 1
    assert f"{run / 'preset'}" in result.err
    assert kgpt2("generate", "春", "--model", run, "--max-new-tokens", "3").status == 0


def test_a_dry_run_for_machines(kgpt2):
    result = kgpt2("fit", ROOT / "configs/smallest.yaml", "--dry-run", "--json")
    outline = json.loads(result.out)
    assert (outline["updates"], outline["interval"], outline["examples"]) == (60, 20, {"train": 1, "validation": 0})
    assert outline["config"]["train"]["steps"] == 60
    assert any("1 examples to learn from" in note for note in outline["notes"])


def test_a_complete_run_tells_what_differs(kgpt2, tmp_path):
    run = tmp_path / "run"
    assert kgpt2("fit", ROOT / "configs/smallest.yaml", "-o", "train.steps=2", "--out", run).status == 0

    def resume(*options):
        return kgpt2("fit", ROOT / "configs/smallest.yaml", "--out", run, "--resume", *options)

    done = resume("-o", "train.steps=2", "-o", "sample.seed=3")
    assert done.status == 0
    assert "the run is complete" in done.err
    other = resume("-o", "train.steps=2", "-o", "train.batch_size=3")
    assert other.status == 2
    assert "train.batch_size (32 then, 3 now)" in other.err
    assert resume("-o", "train.steps=1").status == 2
    assert (run / "summary.json").exists()


def test_no_length_at_all_is_one_epoch(kgpt2, tmp_path):
    (tmp_path / "run.yaml").write_text(
        "model: {from_scratch: {layers: 1, heads: 1, width: 8}, sequence_length: 16}\n"
        "data: {texts: [春眠不觉晓], validation: 0}\n"
    )
    fit = "fit", tmp_path / "run.yaml", "--out", tmp_path / "run"
    assert kgpt2(*fit).status == 0
    same = kgpt2(*fit, "--resume", "-o", "train.epochs=1")
    assert (same.status, "the run is complete" in same.err) == (0, True)
    assert "no checkpoint to go on from" in kgpt2(*fit, "--resume", "-o", "train.epochs=2").err
