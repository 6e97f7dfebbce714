"""What extras need and how they are installed, against pip and setup.cfg."""

import json
import re
import shlex
import subprocess
import sys

import pytest

from kgpt2.errors import RequestError
from kgpt2.extras import extras, how_to_install, missing, not_installed, require_backend, version_of
from tests.conftest import ROOT


def test_they_are_those_of_the_installed_package(monkeypatch, tmp_path):
    in_clone = extras()
    monkeypatch.setattr("kgpt2.extras._CLONE", tmp_path)
    lines = ["click>=8.1", *(f'{name}>=1 ; extra == "{extra}"' for extra, names in in_clone.items() for name in names)]
    monkeypatch.setattr("kgpt2.extras.importlib.metadata.requires", lambda _: lines)
    about = {"Provides-Extra": list(in_clone)}
    monkeypatch.setattr("kgpt2.extras.importlib.metadata.metadata", lambda _: type("M", (), {"get_all": about.get})())
    assert extras() == in_clone


def test_env_tells_what_is_missing(kgpt2, monkeypatch):
    monkeypatch.setattr("kgpt2.extras.version_of", lambda name: None if name == "gguf" else "1")
    result = kgpt2("env", "--json")
    report = json.loads(result.out)["extras"]
    assert set(report) == set(extras())
    assert report["gguf"] == {"installed": False, "missing": ["gguf"]}
    assert report["serve"] == {"installed": True, "missing": []}
    assert re.search(r"^\[gguf\] +not there: gguf$", kgpt2("env").out, re.M)


@pytest.mark.parametrize(
    ("module", "extra"),
    [("fastapi", "serve"), ("transformers", "torch"), ("lm_eval", "eval"), ("mlflow", "mlflow"), ("pydantic", "")],
)
def test_the_extra_that_brings_a_module_is_named(module, extra):
    assert str(not_installed(module)).splitlines() == [
        f"{module} is not installed here; {f'the extra {extra}' if extra else 'the whole of kgpt2'} brings it",
        how_to_install(extra),
    ]


@pytest.mark.parametrize("there", [(), ("jax",)])
def test_a_backend_that_is_missing_is_not_the_way_out(monkeypatch, there):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setattr("kgpt2.extras.importlib.util.find_spec", lambda name: name if name in there else None)
    with pytest.raises(RequestError, match=r"^tensorflow asks for a Keras backend that is not") as error:
        require_backend()
    way = f"{how_to_install()}, or take the one that is: KERAS_BACKEND=jax" if there else how_to_install()
    assert str(error.value).splitlines()[1:] == [way]


@pytest.mark.skipif(version_of("kgpt2") is None, reason="kgpt2 runs from a clone")
@pytest.mark.parametrize("extra", ["", "gguf", "serve"])
def test_pip_takes_the_installed_kgpt2_and_asks_no_index(extra, monkeypatch, tmp_path):
    if extra and missing(extra):
        pytest.skip("the extra is not installed")
    words = shlex.split(how_to_install(extra))
    done = subprocess.run(
        [*words, "--dry-run", "--no-index", "--no-deps"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert f"Requirement already satisfied: kgpt2{f'[{extra}]' if extra else ''}" in done.stdout


def test_a_clone_that_is_not_installed_stands_for_itself(monkeypatch):
    monkeypatch.setattr("kgpt2.extras.version_of", lambda name: None)
    assert shlex.split(how_to_install("serve")) == [sys.executable, "-m", "pip", "install", f"{ROOT}[serve]"]


def test_every_hint_of_the_documents_names_extras():
    known, found = set(extras()), 0
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]:
        # kgpt2 is on no index yet; install.md tells what an installed one can do all the same.
        assert path.name == "install.md" or 'install "kgpt2[' not in path.read_text("utf-8"), path
        for names in re.findall(r'pip install \\?"\.\[([\w,]+)\]', path.read_text("utf-8")):
            found += 1
            assert set(names.split(",")) <= known, path
    assert found > 5


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ("tf", "'tf' is not known to Keras"),
        ("Jax", "did you mean jax?"),
        (
            "torch",
            "torch asks for a Keras backend that is not installed .no module 'torch'.\n.* -m pip install .*torch",
        ),
    ],
)
def test_a_backend_that_is_none_is_refused_before_the_data_is_read(kgpt2, monkeypatch, tmp_path, chosen, message):
    monkeypatch.setenv("KERAS_BACKEND", chosen)
    monkeypatch.setattr("kgpt2.extras.importlib.util.find_spec", lambda name: None)
    with pytest.raises(RequestError, match=message):
        require_backend()
    _refuses_to_fit(kgpt2, tmp_path, message)


@pytest.mark.parametrize("chosen", ["numpy", "openvino"])
def test_a_backend_that_reads_but_does_not_train_is_refused_by_fit_alone(kgpt2, monkeypatch, tmp_path, chosen):
    monkeypatch.setenv("KERAS_BACKEND", chosen)
    require_backend()
    _refuses_to_fit(kgpt2, tmp_path, f"'{chosen}' does not train\nset one of tensorflow, jax, torch")


def _refuses_to_fit(kgpt2, tmp_path, message):
    result = kgpt2("fit", ROOT / "configs/quickstart.yaml", "--out", tmp_path / "run")
    assert (result.status, (tmp_path / "run").exists()) == (2, False)
    assert re.search(message, result.err)
    assert "examples" not in result.err
