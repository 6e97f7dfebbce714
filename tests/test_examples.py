"""The examples in docstrings are run, each module's in its own turn."""

import doctest
import importlib
import tempfile
from pathlib import Path

import pytest

import kgpt2

PACKAGE = Path(kgpt2.__file__).parent
MODULES = [
    ".".join(("kgpt2", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>>" in path.read_text("utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_an_example_gives_what_it_shows(name):
    module = importlib.import_module(name)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testmod(module, extraglobs={"kgpt2": kgpt2, "tempfile": tempfile}, optionflags=flags)
    assert result.attempted
    assert not result.failed
