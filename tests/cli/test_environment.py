"""What the caller's shell may do to a command: streams that are closed, no home, a limit on files, odd names."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT


def run(shell: str, **environment):
    """A command line in a shell, where `kgpt2` is this one."""
    kgpt2 = f"{sys.executable} -m kgpt2"
    done = subprocess.run(
        ["bash", "-c", f'kgpt2() {{ {kgpt2} "$@"; }}; {shell}'],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("kgpt2 models >&-", "stdout is closed"),
        ("kgpt2 generate --prompts - <&-", "stdin is closed"),
        ("kgpt2 generate --prompts - 0>/dev/null", "stdin cannot be read"),
        ("kgpt2 generate --prompts /dev/zero", "/dev/zero: refused, no regular file"),
        ("kgpt2 fit /dev/zero", "/dev/zero: refused, no regular file"),
        ("kgpt2 generate 春 --model '~nobody-of-this-name/x'", "no such home directory"),
        ("kgpt2 generate 春 --model $(printf '%0300d' 7)", "File name too long"),
        ("kgpt2 generate 春 --model $(printf 'a\\033[31mb')", r"a\x1b[31mb: neither"),
        ("kgpt2 generate $(printf '\\377')", "is not UTF-8"),
        ("printf '%0900000d' 7 | kgpt2 generate --prompts -", "900,000 characters, the model's context"),
    ],
)
def test_a_wrong_environment_is_told_in_two_lines(shell, words):
    status, _, told = run(shell)
    assert status == 2, told
    assert words in told
    assert len(told.splitlines()) <= 2
    assert "\x1b" not in told


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_streams_that_are_not_needed_may_be_closed(closed):
    status, out, _ = run(f"kgpt2 models --json {closed}")
    assert status == 0
    assert '"mini_zh"' in out


@pytest.mark.parametrize("full", [">/dev/full", "1</dev/null"])
def test_an_output_that_takes_nothing_is_one_line(full):
    status, _, told = run(f"kgpt2 models {full}")
    assert (status, len(told.splitlines())) == (1, 1)
    assert "unexpected" not in told


@pytest.mark.parametrize(
    ("arguments", "status"),
    [("models", 2), ("generate 春 --max-new-tokens 1", 0), ("generate 春 --model hf://a/b", 2)],
    ids=["models", "embedded", "downloaded"],
)
def test_a_user_without_a_home(arguments, status):
    """As in a container whose user is a number that nobody has entered anywhere."""
    program = (
        "import os, pwd, sys\n"
        "pwd.getpwuid = lambda number: {}[number]\n"
        "for name in ('HOME', 'KGPT2_CACHE', 'XDG_CACHE_HOME'): os.environ.pop(name, None)\n"
        f"sys.argv = {['kgpt2', *arguments.split()]!r}\n"
        "from kgpt2.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == status, done.stderr
    assert "no home directory" in done.stderr
