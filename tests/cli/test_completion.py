"""What shells complete, asked for as their scripts ask."""

import shutil
import subprocess

import pytest

PROGRAM = "import sys; sys.argv = ['kgpt2']\nfrom kgpt2.cli.main import main\nmain()"


@pytest.fixture
def completed(process):
    """The values that are offered for the last word of a command line."""

    def run(line):
        words = line.split(" ")
        asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_KGPT2_COMPLETE": "bash_complete"}
        result = process("-c", PROGRAM, **asked)
        assert (result.status, result.err) == (0, "")
        return [one.partition(",")[2] for one in result.out.splitlines()]

    return run


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("kgpt2 gen", ["generate"]),
        ("kgpt2 generate --sampler to", ["top_k", "top_p"]),
        ("kgpt2 generate --tones st", ["strict"]),
        ("kgpt2 generate --form 五", ["五绝", "五律"]),
        ("kgpt2 generate --rhyme 一东", ["一东"]),
        ("kgpt2 generate --rhyme 平", ["平水韵"]),
        ("kgpt2 generate --dtype b", ["bfloat16"]),
        ("kgpt2 verse forms 七", ["七绝", "七律", "七排"]),
        ("kgpt2 init ver", ["verse_couplets"]),
    ],
)
def test_values(completed, line, values):
    assert completed(line)[: len(values)] == values


def test_models_and_runs(kgpt2, tmp_path, monkeypatch):
    (tmp_path / "runs/mine/preset").mkdir(parents=True)
    (tmp_path / "runs/other").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("_KGPT2_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_CWORD", "3")
    monkeypatch.setenv("COMP_WORDS", "kgpt2 generate --model r")
    assert kgpt2().out.splitlines() == ["plain,runs/mine", "dir,r"]
    monkeypatch.setenv("COMP_WORDS", "kgpt2 generate --model m")
    assert kgpt2().out.splitlines() == ["plain,mini_zh", "dir,m"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_takes(kgpt2, shell, tmp_path):
    result = kgpt2("completion", shell)
    assert result.status == 0
    assert "_KGPT2_COMPLETE" in result.out
    (tmp_path / "script").write_text(result.out)
    if shutil.which(shell):
        subprocess.run([shell, "-n", tmp_path / "script"], check=True)


def test_another_shell(kgpt2):
    result = kgpt2("completion", "csh")
    assert result.status == 2
    assert "'bash', 'zsh', 'fish'" in result.err
