"""What the documents say against what the code has."""

import json
import re

from kgpt2.cli.main import COMMANDS
from kgpt2.config.sections import Config
from tests.conftest import ROOT


def test_ci_runs_the_readmes_commands():
    readme = (ROOT / "README.md").read_text("utf-8")
    ci = (ROOT / ".ci/run").read_text("utf-8")
    for name in ("start", "tests"):
        block = re.search(rf"<!-- command: {name} -->\n```bash\n(.+)\n```\n", readme)[1]
        assert f"readme_command {name}" in ci
        assert block in (ROOT / "README.zh-CN.md").read_text("utf-8")
    for command in COMMANDS:
        assert f"kgpt2 {command}" in readme


def test_every_key_is_documented_with_its_default():
    text = (ROOT / "docs/configuration.md").read_text("utf-8")
    documented = dict(re.findall(r"^\| `(\w+\.\w+)` \| (.+?) \|", text, re.M))
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
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    for path in (ROOT / "kgpt2").iterdir():
        if not path.name.startswith("_"):
            assert path.name in text, path.name
