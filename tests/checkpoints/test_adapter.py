"""LoRA adapters as PEFT saves them, beside PEFT's own logits."""

import json
import shutil

import numpy as np
import pytest

from kgpt2.checkpoints import hub
from kgpt2.checkpoints.names import read_model
from kgpt2.conversion.convert import convert
from kgpt2.errors import RequestError
from tests import hugging_face

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
IDS = [[101, 110, 111, 112, 130]]
LORA = {"r": 4, "lora_alpha": 6, "target_modules": ["c_attn"]}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "base"
    hugging_face.write_uer_model(folder, 260, "safetensors", n_embd=24, n_layer=2, n_head=2, n_positions=32)
    return folder


def adapt(base, folder, resize=None, **changes):
    """Saves an adapter with random changes; returns the logits that PEFT computes after loading it."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(base)
    if resize:
        model.resize_token_embeddings(resize)
    model = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **{**LORA, **changes}))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(folder)
    fresh = AutoModelForCausalLM.from_pretrained(base)
    if resize:
        fresh.resize_token_embeddings(resize)
    loaded = peft.PeftModel.from_pretrained(fresh, folder).eval()
    with torch.no_grad():
        return loaded(torch.tensor(IDS)).logits.numpy()


def logits(checkpoint, folder):
    """The logits of a checkpoint in transformers, once it is converted."""
    from transformers import AutoModelForCausalLM

    convert(checkpoint, folder, "transformers")
    with torch.no_grad():
        return AutoModelForCausalLM.from_pretrained(folder)(torch.tensor(IDS)).logits.numpy()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"r": 3, "target_modules": ["c_attn", "c_proj", "c_fc"]},
        {"target_modules": ["attn.c_proj"], "use_rslora": True},
        {"target_modules": ["c_attn", "c_fc"], "rank_pattern": {"c_fc": 2}, "alpha_pattern": {"h.1.attn.c_attn": 11}},
        {"target_modules": ["c_attn", "c_proj"], "use_dora": True},
        {"bias": "all"},
        {"bias": "lora_only"},
        {"lora_bias": True},
        {"target_modules": ["wpe"]},
        {"modules_to_save": ["ln_f"]},
        {"layers_to_transform": [1]},
    ],
    ids=str,
)
def test_logits_are_those_of_peft(base, tmp_path, changes):
    theirs = adapt(base, tmp_path / "adapter", **changes)
    ours = logits(read_model(str(tmp_path / "adapter")), tmp_path / "merged")
    assert np.abs(ours - theirs).max() < 1e-5
    assert np.abs(logits(read_model(str(base)), tmp_path / "plain") - theirs).max() > 1e-2


def test_an_adapter_in_the_older_format_and_its_own_tokenizer(base, tmp_path):
    from safetensors.torch import load_file

    theirs = adapt(base, tmp_path / "adapter")
    stored = tmp_path / "adapter/adapter_model.safetensors"
    state = {name.replace(".weight", ".default.weight"): tensor for name, tensor in load_file(stored).items()}
    torch.save(state, tmp_path / "adapter/adapter_model.bin")
    stored.unlink()
    shutil.copy(base / "vocab.txt", tmp_path / "adapter")
    (tmp_path / "adapter/tokenizer_config.json").write_text('{"do_lower_case": true}')
    checkpoint = read_model(str(tmp_path / "adapter"))
    assert checkpoint.tokenizer.do_lower_case
    assert np.abs(logits(checkpoint, tmp_path / "merged") - theirs).max() < 1e-5


def test_a_resized_embedding(base, tmp_path):
    theirs = adapt(base, tmp_path / "adapter", resize=264, target_modules=["c_attn"])
    checkpoint = read_model(str(tmp_path / "adapter"))
    assert checkpoint.shape.vocabulary_size == 264
    assert np.abs(logits(checkpoint, tmp_path / "merged") - theirs).max() < 1e-5


def test_the_base_is_the_one_given_or_named(base, tmp_path, monkeypatch, kgpt2):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub, "_download", lambda *_: pytest.fail("reached for the network"))
    theirs = adapt(base, tmp_path / "adapter")
    path = tmp_path / "adapter/adapter_config.json"
    told = json.loads(path.read_text())
    for name, words in (
        ("someone/poems", r"its base model 'someone/poems' is not on this machine\n--base MODEL"),
        ("gpt2", "its base model 'gpt2' is not on this machine"),
        (None, "it names no base model"),
    ):
        path.write_text(json.dumps({**told, "base_model_name_or_path": name}))
        with pytest.raises(RequestError, match=words):
            read_model(str(tmp_path / "adapter"))
    ours = logits(read_model(str(tmp_path / "adapter"), base=str(base)), tmp_path / "merged")
    assert np.abs(ours - theirs).max() < 1e-5
    path.write_text(json.dumps({**told, "base_model_name_or_path": "someone/poems"}))
    snapshot = tmp_path / "cache/models--someone--poems/snapshots/main"
    shutil.copytree(base, snapshot)
    assert read_model(str(tmp_path / "adapter")).base.folder == snapshot, "what is in the cache is at hand"
    assert kgpt2("tokenize", "春", "--model", tmp_path / "adapter", "--base", base).out.startswith("春:")
    refused = kgpt2("tokenize", "春", "--model", base, "--base", base)
    assert (refused.status, "is no adapter" in refused.err) == (2, True)


def test_a_keras_preset_as_base(base, tmp_path):
    theirs = adapt(base, tmp_path / "adapter")
    convert(read_model(str(base)), tmp_path / "preset")
    ours = logits(read_model(str(tmp_path / "adapter"), base=str(tmp_path / "preset")), tmp_path / "merged")
    assert np.abs(ours - theirs).max() < 1e-5


def test_an_adapter_beside_a_whole_model_is_named(base, tmp_path):
    theirs = adapt(base, tmp_path / "adapter")
    both = shutil.copytree(base, tmp_path / "both")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(tmp_path / "adapter" / name, both)
    checkpoint = read_model(str(both))
    assert any(f"not merged into it; --base {both} merges it" in note for note in checkpoint.notes)
    merged = read_model(str(both), base=str(both))
    assert np.abs(logits(merged, tmp_path / "merged") - theirs).max() < 1e-5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"peft_type": "IA3"}, "peft_type is 'IA3'; kgpt2 merges LORA"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights is 'pissa'"),
        ({"trainable_token_indices": [1]}, "trainable_token_indices is set"),
        ({"layer_replication": [[0, 1]]}, "layer_replication is set"),
        ({"lora_alpha": "x"}, "lora_alpha is 'x'"),
        ({"r": 0}, "r is 0"),
        ({"alpha_pattern": {"(a+)+$": 1}}, "more than the end of a name"),
        ({"alpha_pattern": [1]}, r"alpha_pattern is \[1\], numbers above 0"),
        ({"alpha_pattern": {"c_attn": 10**400}}, "alpha_pattern is .*, numbers above 0"),
        ({"alpha_pattern": {"c_attn": float("nan")}}, "alpha_pattern is .*, numbers above 0"),
        ({"base_model_name_or_path": "a" * 300}, "a{80}"),
    ],
    ids=str,
)
def test_what_cannot_be_merged(base, tmp_path, changes, words):
    adapt(base, tmp_path / "adapter")
    path = tmp_path / "adapter/adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(RequestError, match=words), read_model(str(tmp_path / "adapter")).open_weights():
        pass


@pytest.mark.parametrize(
    "changes", [{"target_modules": ["wte"]}, {"modules_to_save": ["wte"]}, {"modules_to_save": ["lm_head"]}], ids=str
)
def test_an_embedding_apart_from_the_output_layer(base, tmp_path, changes):
    adapt(base, tmp_path / "adapter", **changes)
    with (
        pytest.raises(RequestError, match="GPT-2 ties the two"),
        read_model(str(tmp_path / "adapter")).open_weights(),
    ):
        pass


def test_an_adapter_of_another_base(base, tmp_path):
    adapt(base, tmp_path / "adapter")
    for name, shape in (("wide", {"n_embd": 36}), ("short", {"n_layer": 1})):
        shape = {"n_embd": 24, "n_layer": 2, "n_head": 2, "n_positions": 32, **shape}
        hugging_face.write_uer_model(tmp_path / name, 260, "safetensors", **shape)
        with (
            pytest.raises(RequestError, match="is it another base"),
            read_model(str(tmp_path / "adapter"), base=str(tmp_path / name)).open_weights(),
        ):
            pass


def test_the_compiled_model_belongs_to_adapter_and_base(base, tmp_path):
    from kgpt2.generation.openvino.cache import key_of

    adapt(base, tmp_path / "adapter")
    own = shutil.copytree(base, tmp_path / "base")
    before = key_of(read_model(str(tmp_path / "adapter"), base=str(own)))
    hugging_face.write_uer_model(own, 260, "safetensors", seed=5, n_embd=24, n_layer=2, n_head=2, n_positions=32)
    assert key_of(read_model(str(tmp_path / "adapter"), base=str(own))) != before
