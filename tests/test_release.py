"""What a release says about itself: one version, one date, the Pythons that are tried, the bounds that are true."""

import configparser
import re

import pytest
import yaml

import kgpt2
from kgpt2.checkpoints.formats import hdf5_probe, torch_pickle
from tests.conftest import ROOT


def read(name):
    return (ROOT / name).read_text("utf-8")


def setup():
    found = configparser.RawConfigParser()
    found.read(ROOT / "setup.cfg", "utf-8")
    return found


def test_version_and_date_are_the_same_everywhere():
    headings = re.findall(r"^## (.+)", read("CHANGELOG.md"), re.M)
    version, date = re.fullmatch(r"(\S+) \((\d{4}-\d\d-\d\d)\)", headings[1]).groups()
    citation = yaml.safe_load(read("CITATION.cff"))
    assert headings[0] == "Unreleased"
    assert version == kgpt2.__version__ == str(citation["version"])
    assert str(citation["date-released"]) == date
    assert citation["authors"] == [{"name": setup()["metadata"]["author"]}]


def test_the_workflow_tries_every_python_that_is_promised():
    metadata = setup()
    promised = re.findall(r"Python :: (3\.\d+)", metadata["metadata"]["classifiers"])
    jobs = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]
    assert jobs["run"]["strategy"]["matrix"]["python"] == promised
    assert any(step.get("run") == "bash .ci/run" for step in jobs["run"]["steps"])
    low, above = promised[0], f"3.{int(promised[-1].split('.')[1]) + 1}"
    assert metadata["options"]["python_requires"] == f">={low},<{above}"


@pytest.mark.parametrize("path", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem)
def test_a_form_for_issues_asks_something(path):
    form = yaml.safe_load(path.read_text("utf-8"))
    if path.stem != "config":
        assert {"name", "description", "body"} <= set(form)
        fields = [field for field in form["body"] if field["type"] != "markdown"]
        assert len({field["id"] for field in fields}) == len(fields) > 0


def test_the_bounds_that_are_promised_are_those_of_the_loaders():
    text = read("SECURITY.md")
    assert f"at most {torch_pickle.MAX_INSTRUCTIONS:,} of them" in text
    assert len(torch_pickle._FUNCTIONS) == 5
    assert hdf5_probe.SECONDS == 4


def test_the_source_brings_what_it_speaks_of():
    for name in re.findall(r"\S+\.(?:md|cff)", read("MANIFEST.in")):
        assert (ROOT / name).is_file(), name
