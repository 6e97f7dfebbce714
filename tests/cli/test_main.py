import json
import statistics
import sys
import time

import pytest

from kgpt2 import __version__
from kgpt2.cli.main import COMMANDS

HEAVY = ("keras", "keras_hub", "tensorflow", "jax", "torch", "numpy", "pydantic", "transformers", "tokenizers")


@pytest.mark.parametrize("arguments", [("--help",), *((name, "--help") for name in COMMANDS)], ids=" ".join)
def test_help_is_at_hand_at_once_and_imports_nothing_heavy(process, arguments):
    program = (
        f"import sys; sys.argv = ['kgpt2', *{list(arguments)!r}]\n"
        "from kgpt2.cli.main import main\n"
        "try: main()\n"
        f"finally: print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    )
    result = process("-c", program)
    assert result.status == 0
    assert "Usage: kgpt2" in result.out
    assert result.err == "[]\n", result.err


def test_help_takes_less_than_a_third_of_a_second(process):
    def seconds():
        began = time.perf_counter()
        assert process("-m", "kgpt2", "--help").status == 0
        return time.perf_counter() - began

    assert statistics.median(seconds() for _ in range(5)) < 0.3


def test_version(kgpt2):
    assert kgpt2("--version").out == f"kgpt2 {__version__}\n"


def test_without_a_command_it_shows_the_help(kgpt2):
    result = kgpt2()
    assert result.status == 2
    assert "Commands:" in result.out


def test_models(kgpt2, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    embedded, *models = json.loads(kgpt2("models", "--json").out)["models"]
    assert (embedded["name"], embedded["kind"], embedded["cached"]) == ("mini_zh", "embedded", True)
    assert [model["name"] for model in models][:2] == ["gpt2_base_en", "gpt2_medium_en"]
    assert not any(model["cached"] for model in models)
    assert "gpt2_extra_large_en" in kgpt2("models").out


def test_env(kgpt2):
    report = json.loads(kgpt2("env", "--json").out)
    assert report["kgpt2"] == __version__
    assert report["packages"]["keras-hub"]
    assert report["devices"]
    assert "tensorflow" in kgpt2("env").out


@pytest.fixture
def wrong(tmp_path, chinese_preset):
    """Wrong requests by name: the arguments, and words that the error must have."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    good = "model:\n  from_scratch: {layers: 1, heads: 1, width: 8}\ndata:\n  source: SOURCE\ntrain:\n  steps: 1\n"

    def config(name, source="samples/tang", more=""):
        return write(name, good.replace("SOURCE", str(source)) + more)

    return {
        "unknown command": (["generat"], "generat"),
        "unknown option": (["fit", "--foo"], "--foo"),
        "missing file": (["fit", tmp_path / "none.yaml"], "none.yaml"),
        "missing data file": (["fit", config("a.yaml", tmp_path / "none.txt")], "none.txt"),
        "a directory for a file": (["fit", tmp_path], f"{tmp_path}: this is a directory"),
        "a directory for data": (["fit", config("b.yaml", tmp_path)], f"{tmp_path}: this is a directory"),
        "unknown key": (["fit", config("c.yaml", more="  epocs: 3\n")], "train.epocs"),
        "unknown key on the command line": (["fit", config("c2.yaml"), "-o", "train.epocs=3"], "-o train.epocs"),
        "wrong type": (["fit", config("d.yaml", more="  batch_size: many\n")], "train.batch_size"),
        "empty data": (["fit", config("e.yaml", write("empty.txt", "\n"))], "empty.txt"),
        "not UTF-8": (["fit", config("f.yaml", write("gbk.txt", "春眠\n".encode("gbk")))], "gbk.txt, line 1"),
        "broken JSON": (["fit", config("g.yaml", write("a.jsonl", '{"text": "a"}\n{"text\n'))], "a.jsonl, line 2"),
        "no text column": (["fit", config("h.yaml", write("a.csv", "x,y\n1,2\n"))], "a.csv"),
        "a prompt beyond the context": (["generate", "春" * 64, "--model", chinese_preset], "context is 64"),
        "no prompt": (["generate", "--model", chinese_preset], "no prompt"),
        "no model of this name": (["generate", "春", "--model", "minizh"], "did you mean mini_zh?"),
        "unknown model": (["generate", "春", "--model", "gpt2_base"], "gpt2_base"),
        "unknown sampler": (["generate", "春", "--model", chinese_preset, "--sampler", "best"], "best"),
        "an option that is no number": (["generate", "春", "--model", chinese_preset, "--k", "many"], "many"),
        "missing prompts": (["generate", "--prompts", tmp_path / "p.txt", "--model", chinese_preset], "p.txt"),
        "a file where the run goes": (["fit", config("i.yaml"), "--out", tmp_path / "i.yaml"], "i.yaml"),
        "a run that is there": (["fit", config("j.yaml"), "--out", chinese_preset.parent], "choose another"),
    }


WRONG = [
    *("unknown command", "unknown option", "missing file", "missing data file", "a directory for a file"),
    *("a directory for data", "unknown key", "unknown key on the command line", "wrong type", "empty data"),
    *(
        "not UTF-8",
        "broken JSON",
        "no text column",
        "a prompt beyond the context",
        "no prompt",
        "no model of this name",
    ),
    *("unknown model", "unknown sampler", "an option that is no number", "missing prompts"),
    *("a file where the run goes", "a run that is there"),
]


@pytest.mark.parametrize("name", WRONG)
def test_wrong_requests_are_answered_in_two_lines(kgpt2, wrong, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, words = wrong[name]
    if name == "a run that is there":
        (tmp_path / "run/preset").mkdir(parents=True)
        arguments = [*arguments[:-1], tmp_path / "run"]
    before = set(tmp_path.rglob("*"))
    result = kgpt2(*arguments)
    assert result.status == 2
    assert result.out == ""
    assert words in result.err
    assert result.err.startswith("kgpt2: ")
    assert len(result.err.splitlines()) <= 2
    assert set(tmp_path.rglob("*")) == before, "nothing was written"


def test_every_wrong_request_is_tried(wrong):
    assert set(wrong) == set(WRONG)


def test_debug_shows_where_it_happened(kgpt2, tmp_path):
    assert "Traceback" in kgpt2("--debug", "fit", tmp_path / "none.yaml").err
    assert "Traceback" in kgpt2("fit", tmp_path / "none.yaml", "--debug").err


def test_what_is_unexpected_says_so_without_a_traceback(kgpt2, monkeypatch):
    monkeypatch.setattr(kgpt2_module("checkpoints.kaggle"), "KERASHUB_PRESETS", None)
    result = kgpt2("models")
    assert result.status == 1
    assert "--debug shows where" in result.err
    assert "Traceback" not in result.err


def kgpt2_module(name):
    return sys.modules[f"kgpt2.{name}"]


def test_an_interrupt_is_one_line(kgpt2, monkeypatch, tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("kgpt2.config.recipes.load_config", interrupt)
    result = kgpt2("fit", tmp_path / "a.yaml")
    assert (result.status, result.err.strip()) == (1, "kgpt2: interrupted")
