"""`init`, `config schema` and `fit --print-config`: a recipe outside a clone, and editors that know its keys."""

import json
import re
import subprocess
import sys

import pytest

from kgpt2.config.recipes import load_config
from kgpt2.config.schema import schema
from kgpt2.config.shipped import SCHEMA, read_recipe, recipe_names
from tests.conftest import ROOT


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_a_name_it_lists_the_recipes_a_line_each(kgpt2):
    lines = kgpt2("init").out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(path.stem for path in (ROOT / "configs").glob("*.yaml"))
    assert all(line.endswith(".") and len(line) < 80 for line in lines)
    listed = json.loads(kgpt2("init", "--json").out)["recipes"]
    assert [one["name"] for one in listed] == recipe_names()


@pytest.mark.slow
def test_in_an_empty_folder_a_recipe_is_ready_to_run(kgpt2, empty):
    assert kgpt2("init", "quickstart", "x.yaml").status == 0
    assert {path.name for path in empty.iterdir()} == {"x.yaml", SCHEMA}
    assert kgpt2("fit", "x.yaml", "--dry-run").status == 0


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_laid_out_names_its_file_and_a_schema_that_is_there(kgpt2, empty, name):
    result = kgpt2("init", name, "runs/my own.yaml", "--json")
    assert (result.status, json.loads(result.out)["file"]) == (0, "runs/my own.yaml")
    text = (empty / "runs/my own.yaml").read_text("utf-8")
    first = text.splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert json.loads((empty / "runs" / first.partition("=")[2]).read_text("utf-8")) == schema()
    assert "kgpt2 fit 'runs/my own.yaml'" in text
    assert set(re.findall(r"(?:--out|--model|preset=) ?('?runs/[\w ]+'?)", text)) == {"'runs/my own'"}
    assert load_config(empty / "runs/my own.yaml") == load_config(ROOT / f"configs/{name}.yaml")


def test_what_is_still_to_be_given_is_said_in_a_line(kgpt2, empty):
    assert kgpt2("init", "couplets").err.splitlines()[1].startswith("still to be given: data.path, ")
    assert (empty / "couplets.yaml").is_file()
    assert len(kgpt2("init", "smallest").err.splitlines()) == 1


def test_an_existing_file_stays_unless_forced(kgpt2, empty):
    path = empty / "smallest.yaml"
    path.write_text("mine")
    refused = kgpt2("init", "smallest")
    assert (refused.status, path.read_text()) == (2, "mine")
    assert "smallest.yaml: is there; choose another name, or replace it with --force" in refused.err
    assert kgpt2("init", "smallest", "--force").status == 0
    assert path.read_text("utf-8").startswith("# yaml-language-server")


def test_names_that_will_not_do(kgpt2, empty):
    unknown = kgpt2("init", "couplet")
    assert unknown.status == 2
    assert "'couplet': no such recipe; did you mean couplets?\nthere are couplets, english, freeze" in unknown.err
    assert kgpt2("init", "smallest", SCHEMA).status == 2
    assert kgpt2("init", "../configs/smallest").status == 2
    assert not any(empty.iterdir())


def test_the_shipped_schema_is_todays():
    """`kgpt2 config schema --out configs/kgpt2.schema.json` makes it so."""
    assert json.loads((ROOT / "configs" / SCHEMA).read_text("utf-8")) == schema()


def test_the_schema_describes_every_key_and_allows_no_others(kgpt2, empty):
    printed = json.loads(kgpt2("config", "schema").out)
    assert kgpt2("config", "schema", "--out", "s.json").out == ""
    assert json.loads((empty / "s.json").read_text("utf-8")) == printed == schema()
    for part in (printed, *printed["$defs"].values()):
        assert part["additionalProperties"] is False
        for key, value in part["properties"].items():
            assert value["description"], key
    train, sample = (printed["$defs"][name]["properties"] for name in ("TrainSection", "SampleSection"))
    assert train["optimizer"]["enum"] == ["adam", "adamw"]
    assert (sample["p"]["exclusiveMinimum"], sample["p"]["maximum"], sample["p"]["default"]) == (0, 1, 0.95)


def test_a_validator_takes_every_recipe_and_finds_a_misspelt_key(empty):
    pytest.importorskip("check_jsonschema")

    def checked(*paths):
        command = [sys.executable, "-m", "check_jsonschema", "--schemafile", ROOT / "configs" / SCHEMA, *paths]
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, encoding="utf-8")
        return done.returncode, done.stdout

    text = read_recipe("quickstart").text
    (empty / "good.yaml").write_text(text + "  tones: null\n  ban: [春]\n", "utf-8")
    assert checked(empty / "good.yaml", *(ROOT / "configs").glob("*.yaml"))[0] == 0
    for wrong, said in (("epochs: 3", "epocs: 3"), ("batch_size: 16", "batch_size: many")):
        (empty / "bad.yaml").write_text(text.replace(wrong, said), "utf-8")
        status, told = checked(empty / "bad.yaml")
        assert status == 1
        assert said.split()[-1] in told or "epocs" in told


def test_the_resolved_configuration_is_printed_and_nothing_run(kgpt2, empty):
    path = ROOT / "configs/quickstart.yaml"
    result = kgpt2("fit", path, "-o", "train.epochs=7", "--print-config")
    (empty / "printed.yaml").write_text(result.out, "utf-8")
    assert (result.status, result.err) == (0, "")
    assert load_config(empty / "printed.yaml") == load_config(path, ["train.epochs=7"])
    as_json = kgpt2("fit", path, "-o", "train.epochs=7", "--print-config", "--json").out
    assert json.loads(as_json)["train"]["epochs"] == 7
    assert [one.name for one in empty.iterdir()] == ["printed.yaml"]


def test_printing_imports_no_keras(process):
    program = (
        "import sys; sys.argv = ['kgpt2', 'fit', 'configs/smallest.yaml', '--print-config']\n"
        "from kgpt2.cli.main import main\n"
        "try: main()\n"
        "finally: print(sorted({'keras', 'tensorflow', 'jax', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    result = process("-c", program)
    assert (result.status, result.err) == (0, "[]\n")


def test_the_package_that_is_built_holds_recipes_and_schema(tmp_path):
    build = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    built = tmp_path / "kgpt2/assets/recipes"
    assert {path.name for path in built.iterdir()} == {path.name for path in (ROOT / "configs").iterdir()}
