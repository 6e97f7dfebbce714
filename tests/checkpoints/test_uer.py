"""Checkpoints of UER-py, beside transformers on the same weights under GPT-2's names."""

import json

import numpy as np
import pytest

from kgpt2.checkpoints.names import read_model
from kgpt2.conversion.convert import convert
from kgpt2.errors import RequestError
from tests import hugging_face

torch = pytest.importorskip("torch")
IDS = [[101, 110, 111, 112, 130]]
NEWER = ("embedding.word.embedding", "embedding.pos.embedding", "target.lm.output_layer")
OLDER = ("embedding.word_embedding", "embedding.position_embedding", "target.output_layer")


def native(model, names=NEWER, prefix=""):
    """A model's weights as UER-py stores them: linear layers are (out, in), query, key and value are apart."""
    body, (word, position, target) = model.transformer, names
    state = {f"{word}.weight": body.wte.weight, f"{position}.weight": body.wpe.weight}
    for number, block in enumerate(body.h):
        place = f"encoder.transformer.{number}"
        weights, biases = block.attn.c_attn.weight.T.chunk(3), block.attn.c_attn.bias.chunk(3)
        for part in range(3):
            state[f"{place}.self_attn.linear_layers.{part}.weight"] = weights[part]
            state[f"{place}.self_attn.linear_layers.{part}.bias"] = biases[part]
        for name, layer in {
            "self_attn.final_linear": block.attn.c_proj,
            "feed_forward.linear_1": block.mlp.c_fc,
            "feed_forward.linear_2": block.mlp.c_proj,
        }.items():
            state |= {f"{place}.{name}.weight": layer.weight.T, f"{place}.{name}.bias": layer.bias}
        for name, norm in {"layer_norm_1": block.ln_1, "layer_norm_2": block.ln_2}.items():
            state |= {f"{place}.{name}.gamma": norm.weight, f"{place}.{name}.beta": norm.bias}
    state |= {"encoder.layer_norm.gamma": body.ln_f.weight, "encoder.layer_norm.beta": body.ln_f.bias}
    state[f"{target}.weight"] = model.lm_head.weight
    return {f"{prefix}{name}": tensor.detach().clone() for name, tensor in state.items()}


@pytest.fixture
def model():
    return hugging_face.random_model(260, n_embd=128, n_layer=2, n_head=2, n_positions=32)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "uer"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(hugging_face.bert_vocabulary(260)) + "\n", "utf-8")
    return folder


def assert_same_logits(checkpoint, model, folder):
    from transformers import AutoModelForCausalLM

    convert(checkpoint, folder, "transformers")
    with torch.no_grad():
        ours = AutoModelForCausalLM.from_pretrained(folder)(torch.tensor(IDS)).logits
        theirs = model(torch.tensor(IDS)).logits
    assert np.abs((ours - theirs).numpy()).max() < 1e-5


@pytest.mark.parametrize("names", [NEWER, OLDER], ids=["newer", "older"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_logits_are_those_of_transformers(folder, model, tmp_path, names, prefix):
    torch.save(native(model, names, prefix), folder / "poem_model.bin")
    checkpoint = read_model(str(folder))
    assert "2 are taken, each 64 wide" in checkpoint.notes[0]
    assert_same_logits(checkpoint, model, tmp_path / "out")


def test_what_uer_saves_while_it_trains(folder, model, tmp_path):
    torch.save({}, folder / "poem_model.bin-1000")
    torch.save(native(model), folder / "poem_model.bin-10000")
    assert_same_logits(read_model(str(folder)), model, tmp_path / "out")
    assert_same_logits(read_model(str(folder / "poem_model.bin-10000")), model, tmp_path / "file")


def test_the_file_itself_is_a_model(folder, model, tmp_path):
    torch.save(native(model), folder / "poem_model.bin")
    torch.save({}, folder / "another.bin")
    (folder / "vocab.txt").rename(folder / "google_zh_vocab.txt")
    assert_same_logits(read_model(str(folder / "poem_model.bin")), model, tmp_path / "out")


def test_heads_come_from_the_configuration_of_uer(folder, tmp_path):
    model = hugging_face.random_model(260, n_embd=128, n_layer=2, n_head=8, n_positions=32)
    torch.save(native(model), folder / "poem_model.bin")
    config = {"emb_size": 128, "heads_num": 8, "layers_num": 2, "hidden_act": "gelu_fast"}
    (folder / "config.json").write_text(json.dumps(config))
    checkpoint = read_model(str(folder))
    assert not checkpoint.notes
    assert_same_logits(checkpoint, model, tmp_path / "out")
    (folder / "config.json").write_text(json.dumps({**config, "hidden_act": "gelu"}))
    with pytest.raises(RequestError, match="hidden_act is 'gelu'"):
        read_model(str(folder))


def test_native_weights_in_a_folder_of_transformers(folder, model, tmp_path):
    hugging_face.write_config(folder, model, uer=True)
    torch.save(native(model), folder / "pytorch_model.bin")
    assert_same_logits(read_model(str(folder)), model, tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("encoder.transformer.1.self_attn.linear_layers.2.bias"), r"h\.1\.attn\.c_attn\.bias"),
        (lambda state: state["target.lm.output_layer.weight"].add_(1), "differs from the token embedding"),
        (lambda state: state.update({"target.lm.output_layer.bias": torch.zeros(260)}), "output_layer.bias is too"),
        (lambda state: state.pop("encoder.layer_norm.gamma"), r"ln_f\.weight is missing"),
    ],
    ids=["bias", "head", "head-bias", "norm"],
)
def test_what_no_gpt2_has(folder, model, change, words):
    state = native(model)
    change(state)
    torch.save(state, folder / "poem_model.bin")
    with pytest.raises(RequestError, match=words), read_model(str(folder)).open_weights():
        pass


def test_what_is_no_checkpoint_of_uer(folder, model):
    torch.save(native(model), folder / "poem_model.bin")
    (folder / "vocab.txt").unlink()
    with pytest.raises(RequestError, match=r"must lie there as vocab.txt \(none found\)"):
        read_model(str(folder))
    torch.save({"weight": torch.zeros(2)}, folder / "poem_model.bin")
    with pytest.raises(RequestError, match="no GPT-2 of UER-py"):
        read_model(str(folder / "poem_model.bin"))
