"""docs/install.md: the packages that are enough to generate, and what is said where others are missing."""

import importlib.metadata
import json
import re

import pytest

from kgpt2.extras import how_to_install
from tests.conftest import ROOT

LIST = ROOT / "docs/light.txt"
# Everything that is installed beside the list and what it asks for is hidden from the command: modules and versions.
HIDDEN = """
import sys
modules, packages = (set(sys.argv.pop(1).split(",")) for _ in range(2))
class Hiding:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        if path is not None or name in modules or name in sys.stdlib_module_names:
            return self.finder.find_spec(name, path, target)
    def find_distributions(self, context):
        found = getattr(self.finder, "find_distributions", lambda context: ())(context)
        return (one for one in found if one.metadata["Name"].lower().replace("_", "-") in packages)
sys.meta_path[:] = map(Hiding, sys.meta_path)
from kgpt2.cli.main import main
try:
    main()
finally:
    print("imported", *sorted({name.split(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def plain(name: str) -> str:
    return re.match(r"[\w.-]+", name)[0].lower().replace("_", "-")


def asked_for(names: set[str]) -> set[str]:
    """Distributions and all that they require, extras apart."""
    found, waiting = set(), set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        try:
            lines = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # for another system or Python
        waiting |= {plain(line) for line in lines if "extra ==" not in line} - found
    return found


@pytest.fixture
def light(process):
    """Runs a kgpt2 command where only the list is installed."""
    kept = asked_for({plain(line) for line in LIST.read_text("utf-8").splitlines()})
    modules = importlib.metadata.packages_distributions().items()
    names = {module for module, owners in modules if {plain(owner) for owner in owners} & kept} | {"kgpt2"}

    def run(*arguments, **environment):
        lists = ",".join(sorted(names)), ",".join(sorted({*kept, "kgpt2"}))
        return process("-c", HIDDEN, *lists, *arguments, **environment)

    return run


def test_the_list_asks_for_what_the_package_asks_for():
    setup = (ROOT / "setup.cfg").read_text("utf-8")
    for line in LIST.read_text("utf-8").splitlines():
        assert f"    {line}\n" in setup, line


def test_the_list_is_enough_to_generate_and_has_nothing_else(light, tmp_path):
    result = light("generate", "春风", "--form", "七绝", "--seed", "1", "--script", "traditional")
    assert result.status == 0, result.err
    assert len(result.out.strip()) == 32
    imported = set(result.err.splitlines()[-1].split()[1:])
    owners = importlib.metadata.packages_distributions()
    used = {plain(owner) for module in imported for owner in owners.get(module, [])}
    assert {plain(line) for line in LIST.read_text("utf-8").splitlines()} <= used


@pytest.mark.parametrize(
    "command",
    [
        ("verse", "check", "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。"),
        ("tokenize", "春眠", "--model", "mini_zh"),
        ("models",),
        ("evaluate", "mini_zh", "--data", "samples/couplets", "--limit", "2"),
    ],
    ids=lambda command: command[0],
)
def test_what_else_it_is_enough_for(light, command):
    result = light(*command)
    assert result.status == 0, result.err


def test_a_run_says_what_is_missing(light, tmp_path):
    result = light("fit", "configs/quickstart.yaml", "--out", tmp_path / "run")
    assert result.status == 2
    assert f"pydantic is not installed here; the whole of kgpt2 brings it\n{how_to_install()}\n" in result.err
    assert "Traceback" not in result.err


def test_env_works_and_says_what_is_missing(light):
    result = light("env")
    assert result.status == 0, result.err
    shown = dict(re.split(r"  +", line, maxsplit=1) for line in result.out.splitlines())
    assert shown["openvino"] == importlib.metadata.version("openvino")
    absent = "backend", "devices", "keras", "tensorflow"
    assert [shown[name] for name in absent] == ["not installed"] * len(absent)
    assert f"note: keras is not installed here; the whole of kgpt2 brings it\n{how_to_install()}\n" in result.err
    report = json.loads(light("env", "--json", KERAS_BACKEND="tensorflow").out)
    assert (report["backend"], report["devices"], report["packages"]["tensorflow"]) == (None, [], None)
    assert report["no_backend"].startswith("keras is not installed here")
