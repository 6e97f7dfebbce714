"""docs/pytorch.md: both sides of every pair are run, on the same weights; keys and settings that it names exist."""

import os
import re
import subprocess
import sys

import pytest

import kgpt2
from kgpt2.assets import sample_path
from kgpt2.config.sections import Config
from tests.conftest import ROOT

PAGE = (ROOT / "docs/pytorch.md").read_text("utf-8")
# Behind the page's own lines: the settings say the same where nothing is drawn.
SAME = """
import torch
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained("couplet")
asked = {"max_new_tokens": 12, "no_repeat_ngram_size": 2}
theirs = model.generate(ids, do_sample=False, **asked)[0, ids.shape[1]:].tolist()
found = lm.generate("春满神州花似锦-", sampler="greedy", max_new_tokens=12, no_repeat_ngram=2)
ours = found[0].token_ids[ids.shape[1]:]
assert len(ours) > 5
assert theirs[:len(ours)] == list(ours), (theirs, ours)
state = torch.load("last_model.pth", weights_only=True)
assert "transformer.wte.weight" in state
assert fitted.summary["validation"]["perplexity"] > 1
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_both_sides_run_and_greedy_texts_are_the_same(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    kgpt2.convert("mini_zh", tmp_path / "couplet", "transformers")
    lines = sample_path("couplets").read_text("utf-8").splitlines()
    (tmp_path / "couplet_train_600k.csv").write_text("\n".join(lines[:61]) + "\n", "utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.S)) + SAME
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr[-3000:]


def test_keys_and_settings_that_it_names_exist():
    keys = set(re.findall(r"`((?:model|data|train)\.\w+)[`:]", PAGE))
    sections = {name: set(field.annotation.model_fields) for name, field in Config.model_fields.items()}
    assert len(keys) > 15
    assert not {key for key in keys if key.split(".")[1] not in sections[key.split(".")[0]]}
    twins = " ".join(line.split("|")[2] for line in PAGE.splitlines() if line.count("|") > 3)
    named = set(re.findall(r"`(\w+)=", twins))
    assert {"num_return", "no_repeat_ngram"} <= named
    assert not {name for name in named if name not in kgpt2.Settings.__dataclass_fields__}
