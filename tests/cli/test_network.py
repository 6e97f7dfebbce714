"""No command asks anything of the network unless it is told to download: look-ups and connections are watched."""

import os
import shutil
import socket
import subprocess
import sys

import pytest

from kgpt2.cli.main import COMMANDS
from tests.conftest import ROOT

GUARD = ROOT / "tests/guard"
# With these, libraries that call home hold back: they must not be what keeps a command silent.
SILENCERS = ("CI", "TF_BUILD", "JENKINS_URL", "DO_NOT_TRACK", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")
RUN = """\
model: {from_scratch: {layers: 1, heads: 2, width: 16}, sequence_length: 16}
data: {source: samples/tang, limit: 24, validation: 0.2, batching: pad}
train: {steps: 2, batch_size: 8}
sample: {prompts: ["春风"], max_new_tokens: 2}
"""
SHORT = ("--batch", "1", "--samplers", "greedy", "--prompt-tokens", "4", "--new-tokens", "2")
CASES = {
    "generate": ("generate", "春眠", "--max-new-tokens", "2"),
    "generate on Keras": ("generate", "春眠", "--max-new-tokens", "2", "--runtime", "keras"),
    "init": ("init", "quickstart"),
    "config schema": ("config", "schema"),
    "fit": ("fit", "run.yaml", "--out", "run"),
    "evaluate": ("evaluate", "mini_zh", "--data", "samples/tang", "--limit", "2"),
    "bench": ("bench", "mini_zh", *SHORT),
    "compare": ("compare", "MODEL", "--batch", "1", "--new-tokens", "2", "--rounds", "1"),
    "data list": ("data", "list"),
    "data show": ("data", "show", "samples/tang", "--model", "mini_zh", "--limit", "2"),
    "convert": ("convert", "mini_zh", "preset"),
    "convert to transformers": ("convert", "mini_zh", "folder", "--to", "transformers"),
    "push": ("push", "MODEL", "hf://someone/poems", "--dry-run"),
    "tokenize": ("tokenize", "春眠", "--model", "mini_zh"),
    "verse check": ("verse", "check", "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。"),
    "models": ("models",),
    "completion": ("completion", "zsh"),
    "env": ("env",),
}
KERAS = ("generate on Keras", "fit", "compare", "env")


@pytest.fixture(scope="module")
def preload(tmp_path_factory):
    """A library that watches native code as well; "" where there is no compiler (or another system) to make it."""
    compiler = shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        return ""
    library = tmp_path_factory.mktemp("guard") / "network.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, GUARD / "network.c", "-ldl"], check=True)
    return str(library)


@pytest.fixture
def guarded(tmp_path, preload):
    """Runs Python as a user would who has never used it; gives the exit status, what it said, and what it asked."""
    asked, home = tmp_path / "asked", tmp_path / "home"
    home.mkdir()

    def run(*arguments):
        kept = {name: value for name, value in os.environ.items() if name not in SILENCERS}
        path = os.pathsep.join([str(GUARD), str(ROOT)])
        ours = {"HOME": str(home), "XDG_CACHE_HOME": "", "KGPT2_GUARD": str(asked), "PYTHONPATH": path}
        environment = kept | ours | ({"LD_PRELOAD": preload} if preload else {})
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        return done.returncode, done.stderr, asked.read_text("utf-8").splitlines() if asked.exists() else []

    return run


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in KERAS else ()) for name in CASES]
)
def test_no_command_asks_the_network(name, guarded, tmp_path, request):
    (tmp_path / "run.yaml").write_text(RUN, "utf-8")
    arguments = CASES[name]
    if "MODEL" in arguments:
        arguments = [str(request.getfixturevalue("chinese_preset")) if one == "MODEL" else one for one in arguments]
    status, said, asked = guarded("-m", "kgpt2", *arguments)
    assert asked == []
    assert status == 0, said


def test_every_command_is_tried():
    served = {"serve"}  # runs until it is told to stop, so it has a test of its own
    assert {arguments[0] for arguments in CASES.values()} == set(COMMANDS) - served


def test_serving_asks_the_network_nothing(guarded):
    pytest.importorskip("uvicorn")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = f"""
import json, os, signal, sys, threading, time, urllib.request
from kgpt2.cli.main import main

def answered(path):
    return urllib.request.urlopen("http://127.0.0.1:{port}" + path).status

def visit():
    for _ in range(200):
        try:
            answered("/health")
            break
        except OSError:
            time.sleep(0.1)
    request = urllib.request.Request(
        "http://127.0.0.1:{port}/v1/completions",
        json.dumps(dict(prompt="春", max_tokens=2)).encode(),
        dict([("Content-Type", "application/json")]),
    )
    try:
        print("statuses", answered("/"), urllib.request.urlopen(request).status, file=sys.stderr)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=visit, daemon=True).start()
sys.argv = ["kgpt2", "serve", "--port", "{port}"]
main()
"""
    status, said, asked = guarded("-c", program)
    assert asked == []
    assert status == 0, said
    assert "statuses 200 200" in said


@pytest.mark.parametrize("program", ["socket.getaddrinfo(HOST, 80)", "socket.create_connection(('192.0.2.1', 9))"])
def test_the_guard_sees_python(program, guarded):
    status, said, asked = guarded("-c", f"import socket; HOST = 'analytics.invalid'; {program}")
    assert status == 1
    assert "the tests allow no network" in said
    assert len(asked) == 1
    assert asked[0].endswith(("analytics.invalid", "192.0.2.1"))


def test_the_guard_sees_native_code(guarded, preload):
    if not preload:
        pytest.skip("no gcc")
    program = "import ctypes; print(ctypes.CDLL(None).getaddrinfo(b'analytics.invalid', None, None, None))"
    assert guarded("-c", program) == (0, "", ["getaddrinfo analytics.invalid"])


def test_openvino_keeps_its_converter_and_the_telemetry_its_user(guarded):
    program = (
        "import sys, kgpt2.conversion.openvino.library as library\n"
        "assert library.ov.convert_model\n"
        "assert 'openvino_telemetry' not in sys.modules\n"
        "import importlib.util\n"
        "assert importlib.util.find_spec('openvino_telemetry')"
    )
    assert guarded("-c", program) == (0, "", [])
