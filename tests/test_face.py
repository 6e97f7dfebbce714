"""What `import kgpt2` shows: the names that stay, and that they do what the commands do."""

import inspect
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import kgpt2
from kgpt2.cli.main import cli
from kgpt2.config.recipes import config_of
from tests.conftest import ROOT

CONFIG = {
    "model": {"from_scratch": {"layers": 1, "heads": 2, "width": 16}, "sequence_length": 40},
    "data": {"source": "samples/couplets", "limit": 40, "validation": 0.2},
    "train": {"steps": 4, "validate_every": 2, "batch_size": 8},
}


def test_the_names_that_stay():
    assert set(kgpt2.__all__) == {
        *("load", "LanguageModel", "Settings", "Generation", "Score", "fit", "Config", "evaluate", "convert"),
        *("RequestError", "WorkError"),
    }
    assert all(getattr(kgpt2, name).__name__ == name for name in kgpt2.__all__)
    assert set(kgpt2.__all__) <= set(dir(kgpt2))
    with pytest.raises(AttributeError, match="no attribute 'generate'"):
        _ = kgpt2.generate


def test_importing_it_imports_nothing_heavy():
    code = "import kgpt2, sys; print([name for name in ('numpy', 'pydantic', 'keras', 'rich') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_every_setting_is_a_keyword():
    keywords = inspect.signature(kgpt2.LanguageModel.generate).parameters
    given = inspect.signature(kgpt2.Settings).parameters
    assert set(given) <= set(keywords)
    assert all(keywords[name].default == one.default for name, one in given.items())
    assert keywords["temperature"].annotation is float


def test_a_loaded_model_writes_and_shows_itself():
    lm = kgpt2.load("mini_zh")
    found = lm.generate(["春风", "秋月"], sampler="top_k", k=5, max_new_tokens=5, seed=2)
    again = lm.generate(["春风", "秋月"], kgpt2.Settings(sampler="top_k", k=9, max_new_tokens=5, seed=2), k=5)
    assert found == again
    assert [str(one) for one in found] == [one.text for one in found]
    assert "<table>" in found._repr_html_()
    assert "mini_zh" in repr(lm)
    (score,) = lm.score("春风" * 20)
    assert repr(score) == f"<Score '{'春风' * 10}…': loss {score.loss:.4f} over 41 targets>"


def test_a_run_shows_itself_by_its_folder(chinese_preset, tmp_path, monkeypatch):
    (tmp_path / "tang").mkdir()
    (tmp_path / "tang/config.yaml").write_text("")
    shutil.copytree(chinese_preset, tmp_path / "tang/preset")
    monkeypatch.chdir(tmp_path / "tang")
    for model in (Path("."), Path("preset"), tmp_path / "tang"):
        assert repr(kgpt2.load(model)).startswith("<LanguageModel 'tang': ")


def test_callbacks_that_are_none_are_refused_before_anything_is_read(tmp_path):
    class Own:
        pass

    wrong = ((Own, "no list, write"), ([Own], r"is a class, write \[Own\(\)\]"), ([Own()], "is no keras"))
    for callbacks, message in wrong:
        with pytest.raises(kgpt2.RequestError, match=f"callbacks: .*{message}"):
            kgpt2.fit("none.yaml", tmp_path, callbacks=callbacks)


def test_evaluate_measures_what_the_command_measures():
    report = kgpt2.evaluate("mini_zh", "samples/couplets", limit=20)
    command = ["evaluate", "mini_zh", "--data", "samples/couplets", "--limit", "20", "--json"]
    told = json.loads(CliRunner().invoke(cli, command).stdout)
    assert report == {name: told[name] for name in report}


def test_convert_takes_a_name(tmp_path):
    done = kgpt2.convert("mini_zh", tmp_path / "model")
    assert (done.to, done.parameters) == ("keras", kgpt2.load("mini_zh").checkpoint.shape.parameters)


@pytest.mark.slow
@pytest.mark.backends
def test_fit_takes_a_mapping_a_config_or_a_file_and_gives_a_model(tmp_path, capsys):
    import keras
    import yaml

    seen = []

    class Own(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)

        def on_epoch_end(self, epoch, logs=None):
            seen.append(sorted(logs))

    fitted = kgpt2.fit(CONFIG, tmp_path / "mapping", callbacks=[Own()])
    assert seen[:2] == [0, 1]
    assert len(seen) == 6
    assert "val_loss" in seen[2]
    assert fitted.summary == json.loads((fitted.folder / "summary.json").read_text("utf-8"))
    assert "4 steps, a validation every 2" in capsys.readouterr().err
    assert fitted.load().generate("春", max_new_tokens=2, seed=0)[0].text.startswith("春")

    (tmp_path / "run.yaml").write_text(yaml.safe_dump(CONFIG), "utf-8")
    for name, config in (("config", config_of(CONFIG)), ("file", tmp_path / "run.yaml")):
        other = kgpt2.fit(config, tmp_path / name)
        assert other.summary["train"] == fitted.summary["train"]

    again = kgpt2.fit(CONFIG, tmp_path / "mapping", resume=True)
    assert again == fitted
    assert "nothing to resume" in capsys.readouterr().err


def test_a_path_is_a_place_though_a_model_is_called_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kgpt2.RequestError, match=r"\./mini_zh: neither a folder"):
        kgpt2.load(Path("mini_zh"))
    kgpt2.convert("mini_zh", "mini_zh", "transformers", "float16")
    assert "float16" in str(kgpt2.convert(Path("mini_zh"), "again", "transformers"))


def test_fit_says_what_is_wrong(tmp_path):
    with pytest.raises(kgpt2.RequestError, match="out: a run needs a folder"):
        kgpt2.fit(CONFIG)
    with pytest.raises(kgpt2.RequestError, match=r"train.step: unknown key; did you mean steps\?"):
        kgpt2.fit({**CONFIG, "train": {"step": 4}}, tmp_path / "run")
    with pytest.raises(kgpt2.RequestError, match=r"train\.steps: .four. will not do"):
        kgpt2.fit({**CONFIG, "train": {"steps": "four"}}, tmp_path / "run")


def test_the_page_on_python_names_all_that_there_is():
    page = (ROOT / "docs/api.md").read_text("utf-8")
    named = {name for row in re.findall(r"^\| (`.*?) \|", page, re.M) for name in re.findall(r"`kgpt2\.(\w+)`", row)}
    assert named == set(kgpt2.__all__)
