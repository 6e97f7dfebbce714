"""What the documents say against what the code has: keys, commands, options, Python, links."""

import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import unicodedata

import click
import pytest

from kgpt2.cli.main import COMMANDS, cli
from kgpt2.config.sections import Config
from tests.conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")])
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in PAGES}
FIGURE = re.compile(r"\d+(?:,\d{3})+|\d+\.\d+|\d+ %")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
# How a page's Python is run here: what stands in front of it, and what stands in for what is downloaded or served.
BEFORE = {"docs/training.md": "import keras, kgpt2\nclass MyCallback(keras.callbacks.Callback): pass\n"}
INSTEAD = {"hf://uer/gpt2-chinese-couplet": "mini_zh"}
# Python that is run elsewhere, or wants what is not here; it is compiled, and its imports are tried.
ELSEWHERE = {
    "docs/pytorch.md": "tests/test_pytorch_page.py",
    "docs/serving.md": "tests/serve",
    "docs/data.md": "the poems are downloaded",
    "docs/models.md": "openvino-genai, which is nobody's dependency here",
    "docs/evaluation.md": "tests/evaluation, with a harness of its own",
}


def blocks(language):
    return [(name, code) for name, text in TEXTS.items() for found, code in BLOCK.findall(text) if found == language]


def test_ci_runs_the_readmes_commands():
    ci = (ROOT / ".ci/run").read_text("utf-8")
    for name in ("start", "tests"):
        block = re.search(rf"<!-- command: {name} -->\n```bash\n(.+?)```\n", TEXTS["README.md"], re.S)[1]
        assert f"readme_command {name}" in ci
        assert block in TEXTS["README.zh-CN.md"]
    for command in COMMANDS:
        assert f"kgpt2 {command}" in TEXTS["docs/commands.md"]
        assert f"kgpt2 {command}" in TEXTS["docs/guide.zh-CN.md"]


def test_the_readme_is_short():
    assert len(TEXTS["README.md"].split()) <= 800
    assert TEXTS["README.md"].count("\n## ") == TEXTS["README.zh-CN.md"].count("\n## ")


def test_the_readmes_speeds_are_those_of_the_records():
    avx2 = record("generation")[0]["tokens_per_second"]
    amx, learned = record("generation_amx_batch1")["median"], record("training_10x50_amx")["median"]
    cold = record("cold_start")["seconds"]
    gpu, fit = record("gpu_decode")["rows"], record("gpu_fit")["rows"]
    large = next(row["median"] for row in gpu if (row["shape"], row["batch"]) == ("base", 128))
    packed = next(row["median"] for row in fit if (row["shape"], row["width"]) == ("base", 128))
    medium = next(row["ratio_to_torch-compiled"] for row in fit if row["shape"] == "medium")
    told = [
        *(avx2[name] for name in ("kgpt2-float32", "kgpt2-int8", "transformers", "kerashub-tensorflow")),
        *(avx2[name] for name in ("llama.cpp-f32", "llama.cpp-q8_0")),
        *(amx[name] for name in ("kgpt2-float32", "kgpt2-int8", "transformers", "llama.cpp-f32", "llama.cpp-q8_0")),
        *(f"{large[name]:,.0f}" for name in ("kgpt2-graphs", "transformers", "transformers-static")),
        *(learned[name] for name in ("kgpt2-tensorflow", "torch-fused")),
        *(f"{packed[name]:,.0f}" for name in ("kgpt2-fit", "torch-compiled")),
        *(cold["kgpt2-float32"], cold["transformers"], f"{cold['kerashub']:.1f}"),
    ]
    for page, heading in (("README.md", "## How fast"), ("README.zh-CN.md", "## 速度")):
        section = TEXTS[page].split(heading)[1].split("\n## ")[0]
        table = [row for row in section.splitlines() if row.startswith("| ")][1:]
        figures = [one for row in table for one in FIGURE.findall(row.split("|", 2)[2])]
        assert figures == [str(one) for one in told], page
        assert str(medium["kgpt2-fit"]) in section, page
        for avx2_fit in (record("training_10x50")["median"], record("training_32x128")["median"]):
            assert all(str(avx2_fit[route]) in section for route in ("torch-fused", "kgpt2-tensorflow")), page


def record(name):
    return json.loads((ROOT / f"benchmarks/records/{name}.json").read_text("utf-8"))


def test_the_page_on_verse_says_the_same_in_both_languages():
    pages = TEXTS["docs/verse.md"], TEXTS["docs/verse.zh-CN.md"].replace("%", " %")  # Chinese sets no space before it
    english, chinese = (
        {
            "sections": text.count("\n## "),
            "commands": [re.sub(r"  +#.*", "", code) for language, code in BLOCK.findall(text) if language == "bash"],
            "tables": [re.findall(FIGURE, row) for row in re.findall(r"^\|.+", text, re.M)],
            # as a set: a sentence may say a figure twice
            "figures": set(re.findall(FIGURE, text)),
            "settings": set(re.findall(r"`(--[a-z-]+)", text)),
            "scripts": set(re.findall(r"benchmarks/[\w./]+\w", text)),
        }
        for text in pages
    )
    assert english == chinese
    assert len(english["figures"]) > 40


def test_every_key_is_documented_with_its_default():
    documented = dict(re.findall(r"^\| `(\w+\.\w+)` \| (.+?) \|", TEXTS["docs/configuration.md"], re.M))
    keys = {
        f"{section}.{name}": field
        for section, part in Config.model_fields.items()
        for name, field in part.annotation.model_fields.items()
    }
    assert set(documented) == set(keys) - {"train.steps"}
    for name, field in keys.items():
        if name in documented and name != "train.epochs" and documented[name] != "-":
            shown = documented[name].strip("`")
            default = list(field.default) if isinstance(field.default, tuple) else field.default
            assert shown == default or json.loads(shown) == default, name


def test_the_architecture_names_every_room_and_module():
    for path in (ROOT / "kgpt2").iterdir():
        if not path.name.startswith("_"):
            assert path.name in TEXTS["docs/architecture.md"], path.name


def commands_of(text):
    """Every `kgpt2 ...` of a page's shell blocks and of its sentences, as words; forms with holes in them apart."""
    found = [line for language, code in BLOCK.findall(text) if language == "bash" for line in code.splitlines()]
    found += [code.replace("\\|", "|").replace("\n", " ") for code in re.findall(r"`([^`]+)`", BLOCK.sub("", text))]
    for line in found:
        for part in re.split(r"&&|\s\|\s|;\s", line):
            match = re.search(r"(?:^|[\s/])kgpt2 (.+)", part)
            if match and not re.search(r"\[(?!MASK|CLS|SEP)|\.\.\.|…|\w\|\w|COMMAND", match[1]):
                yield shlex.split(match[1], comments=True)


def fault(words):
    """Why click would refuse the options of a command, or None."""
    # click keeps the names of a command's --help from its first context, so that context has the program's own
    command, context = cli, click.Context(cli, info_name="kgpt2", **cli.context_settings)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        command = command.get_command(context, name)
        if command is None:
            return f"no command {name}"
        context = click.Context(command, parent=context, info_name=name)
    try:
        given, _, _ = command.make_parser(context).parse_args(list(words))
        for parameter in command.params:
            kind = parameter.type
            if parameter.name in given and not isinstance(kind, click.Path | click.File):
                value = given[parameter.name]
                if isinstance(value, str) and not value.isupper():  # FILE, MODEL, N stand for something
                    kind.convert(value, parameter, context)
    except click.UsageError as error:
        return error.format_message()
    overrides = [word for word in given.get("overrides", ()) if not word.isupper()]
    return next((word for word in overrides if not is_key(word.split("=")[0])), None)


def is_key(name):
    section, _, key = name.partition(".")
    return section in Config.model_fields and key.split(".")[0] in Config.model_fields[section].annotation.model_fields


@pytest.mark.parametrize("name", TEXTS)
def test_every_command_has_options_that_there_are(name):
    faults = {" ".join(words): fault(words) for words in commands_of(TEXTS[name])}
    assert not {words: why for words, why in faults.items() if why}


def test_commands_are_found_and_wrong_ones_are_seen():
    found = [words for text in TEXTS.values() for words in commands_of(text)]
    assert len(found) > 100
    assert "fits" in fault(["fits", "x.yaml"])
    assert "--sed" in fault(["generate", "春", "--sed", "1"])
    assert "warm" in fault(["generate", "春", "--temperature", "warm"])
    assert "train.step=" in fault(["fit", "x.yaml", "-o", "train.step=2"])


@pytest.mark.parametrize("name", sorted({name for name, _ in blocks("python")}))
def test_python_is_python_and_its_imports_are_there(name):
    for page, code in blocks("python"):
        if page == name:
            compile(code, name, "exec")
            for line in re.findall(r"^(?:from (kgpt2[\w.]*) import .+|import (kgpt2[\w.]*))", code, re.M):
                __import__(line[0] or line[1].split(",")[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({name for name, _ in blocks("python")} - set(ELSEWHERE)))
def test_python_runs(name, tmp_path):
    code = BEFORE.get(name, "") + "\n".join(code for page, code in blocks("python") if page == name)
    for downloaded, ours in INSTEAD.items():
        code = code.replace(downloaded, ours)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr[-2000:]


def anchors(text):
    """The anchors that GitHub gives a page's headings."""
    for heading in re.findall(r"^#+ (.+)$", BLOCK.sub("", text), re.M):
        kept = (sign for sign in heading.lower() if sign in " -_" or unicodedata.category(sign)[0] in "LN")
        yield "".join(kept).replace(" ", "-")


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^()\s]+)\)", BLOCK.sub("", TEXTS[name])):
        if re.match(r"https?:|mailto:", target):
            continue
        file, _, anchor = target.partition("#")
        path = (ROOT / name).parent / file if file else ROOT / name
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.read_text("utf-8")), target
