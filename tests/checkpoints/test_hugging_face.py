"""What a Hugging Face folder can hold: configurations, tokenizers and layouts of weights."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from kgpt2.checkpoints.hugging_face import read_hugging_face
from kgpt2.checkpoints.names import read_model
from kgpt2.errors import RequestError
from tests import hugging_face
from tests.checkpoints.conftest import read, set_config

torch = pytest.importorskip("torch")


def assert_equal(folder, model):
    theirs = model.transformer.state_dict()
    ours = read(folder)
    assert list(ours) == list(theirs), "the order is transformers' too"
    for name, array in ours.items():
        assert np.array_equal(array, theirs[name].numpy()), name


@pytest.mark.parametrize("layout", hugging_face.FORMATS)
@pytest.mark.parametrize("prefix", ["transformer.", "", "module.transformer."])
def test_weights_with_and_without_the_prefix(folder, model, layout, prefix):
    (folder / "model.safetensors").unlink()
    hugging_face.write_weights(folder, model, layout, prefix=prefix)
    assert_equal(folder, model)


@pytest.mark.parametrize("layout", ["safetensors", "bin"])
def test_shards(folder, model, layout):
    (folder / "model.safetensors").unlink()
    hugging_face.write_weights(folder, model, layout)
    hugging_face.shard(folder)
    assert_equal(folder, model)
    next(folder.glob("*-00002-of-*")).unlink()
    with pytest.raises(RequestError, match="is missing; is the download complete"):
        read_hugging_face(folder)


def test_the_embedding_of_older_tensorflow_files(folder, model):
    (folder / "model.safetensors").unlink()
    state = {k.removeprefix("transformer."): v for k, v in model.state_dict().items() if k != "lm_head.weight"}
    hugging_face.write_tensorflow(folder / "tf_model.h5", state, embedding="weight:0")
    assert_equal(folder, model)


def test_views_into_one_storage(folder, model):
    """Slices, transposed and tied tensors share storages; torch saves those whole."""
    (folder / "model.safetensors").unlink()
    state = model.state_dict()
    kernel = state["transformer.h.0.mlp.c_fc.weight"]
    state["transformer.h.0.mlp.c_fc.weight"] = kernel.T.contiguous().T
    both = torch.stack([state["transformer.ln_f.weight"], state["transformer.ln_f.bias"]])
    state["transformer.ln_f.weight"], state["transformer.ln_f.bias"] = both[0], both[1]
    for new in (True, False):
        torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=new)
        assert_equal(folder, model)


def test_parameters_and_ordered_dicts(folder, model):
    (folder / "model.safetensors").unlink()
    torch.save(dict(model.named_parameters()), folder / "pytorch_model.bin")
    assert_equal(folder, model)


def test_parameters_of_a_model_that_transformers_has_loaded(folder, model):
    """It hangs marks of its own on them, so torch writes another function."""
    loaded = type(model).from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(dict(loaded.named_parameters()), folder / "pytorch_model.bin")
    assert_equal(folder, model)


def test_a_separate_output_layer_is_never_dropped_in_silence(folder, model):
    (folder / "model.safetensors").unlink()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.save(state, folder / "pytorch_model.bin")
    assert_equal(folder, model)
    state["lm_head.weight"][3, 3] += 1e-3
    torch.save(state, folder / "pytorch_model.bin")
    with pytest.raises(RequestError, match=r"lm_head\.weight differs from the token embedding"):
        read(folder)
    del state["lm_head.weight"]
    torch.save(state, folder / "pytorch_model.bin")
    set_config(folder, tie_word_embeddings=False)
    with pytest.raises(RequestError, match=r"lm_head\.weight is missing"):
        read(folder)


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod."])
def test_a_file_that_keeps_the_embedding_as_the_head_alone(folder, model, prefix):
    (folder / "model.safetensors").unlink()
    state = {f"{prefix}{name}": tensor for name, tensor in model.state_dict().items() if "wte" not in name}
    torch.save(state, folder / "pytorch_model.bin")
    assert_equal(folder, model)
    set_config(folder, tie_word_embeddings=False)
    with pytest.raises(RequestError, match=r"wte\.weight is missing"):
        read(folder)


@pytest.mark.parametrize("bare", [False, True], ids=["head", "body"])
def test_save_model_and_named_parameters(folder, model, bare):
    from safetensors.torch import save_file, save_model

    model = model.transformer if bare else model
    save_model(model, folder / "model.safetensors")
    assert_equal(folder, model if not bare else SimpleNamespace(transformer=model))
    save_file(dict(model.named_parameters()), folder / "model.safetensors")
    assert_equal(folder, model if not bare else SimpleNamespace(transformer=model))


def test_safetensors_come_first(folder, model):
    (folder / "pytorch_model.bin").write_bytes(b"never looked at")
    assert_equal(folder, model)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"activation_function": "gelu"}, "activation_function is 'gelu'"),
        ({"activation_function": "relu"}, "activation_function is 'relu'"),
        ({"layer_norm_epsilon": 1e-6}, "layer_norm_epsilon is 1e-06"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx is True"),
        ({"scale_attn_weights": False}, "scale_attn_weights is False"),
        ({"add_cross_attention": True}, "add_cross_attention is True"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"model_type": "llama"}, "the model is a 'llama'"),
        ({"n_head": 5}, "no multiple of n_head"),
        ({"n_layer": 0}, "n_layer is 0"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"n_positions": -1}, "n_positions is -1"),
        ({"n_layer": 10**9}, "n_layer is 1000000000"),
        ({"n_embd": "24"}, "n_embd is '24'"),
        ({"n_inner": -1}, "n_inner is -1"),
        ({"n_positions": 1.5}, "n_positions is 1.5"),
        ({"resid_pdrop": None}, "resid_pdrop is None"),
        ({"vocab_size": 100}, "they do not belong together"),
    ],
)
def test_configurations_that_are_refused_with_a_reason(folder, values, words):
    set_config(folder, **values)
    with pytest.raises(RequestError, match=words) as error:
        read_hugging_face(folder)
    assert str(folder) in str(error.value)


def test_every_name_of_the_same_activation_and_no_other(folder):
    from transformers.activations import ACT2CLS, ACT2FN

    x = torch.linspace(-5, 5, 1001)
    for name in ACT2CLS.keys() - {"prelu", "xielu"}:  # which have weights of their own
        set_config(folder, activation_function=name)
        if (ACT2FN[name](x) - ACT2FN["gelu_new"](x)).abs().max() < 1e-6:
            read_hugging_face(folder)
        else:
            with pytest.raises(RequestError, match="activation_function is"):
                read_hugging_face(folder)


@pytest.mark.parametrize("both", [False, True], ids=["alone", "beside"])
def test_the_other_names_of_the_keys(folder, model, both):
    """Beside GPT-2's own names they count, as in transformers."""
    from transformers import GPT2Config

    path = folder / "config.json"
    config = json.loads(path.read_text("utf-8"))
    for key, other in read_attribute_map():
        config[other] = config[key]
        config[key] = 7
        if not both:
            del config[key]
    path.write_text(json.dumps(config), "utf-8")
    theirs = GPT2Config.from_pretrained(folder)
    shape = read_hugging_face(folder).shape
    ours = (shape.hidden_dim, shape.num_heads, shape.num_layers, shape.max_sequence_length)
    assert ours == (theirs.n_embd, theirs.n_head, theirs.n_layer, theirs.n_positions) == (24, 2, 2, 32)
    assert_equal(folder, model)


def read_attribute_map():
    from transformers import GPT2Config

    return [(key, other) for other, key in GPT2Config.attribute_map.items()]


def test_a_configuration_of_2019_names_no_model_type(folder, model):
    path = folder / "config.json"
    names = ("initializer_range", "layer_norm_epsilon", "n_embd", "n_head", "n_layer", "n_positions", "vocab_size")
    config = json.loads(path.read_text("utf-8"))
    old = {**{name: config[name] for name in names}, "n_ctx": config["n_positions"]}
    path.write_text(json.dumps(old), "utf-8")
    assert read_model(str(folder)).shape.num_heads == 2
    assert_equal(folder, model)
    for key in ("afn", "dff"):  # of GPT and CTRL, whose other keys are the same
        path.write_text(json.dumps({**old, key: 1}), "utf-8")
        with pytest.raises(RequestError, match="not the configuration of a model"):
            read_model(str(folder))


def test_inner_width_dropouts_and_missing_ids(folder):
    set_config(folder, n_inner=40, attn_pdrop=0.0)
    checkpoint = read_hugging_face(folder)
    assert checkpoint.shape.intermediate_dim == 40
    assert "resid_pdrop 0.1, attn_pdrop 0.0" in checkpoint.notes[0]
    with pytest.raises(RequestError, match="24 x 96, the config asks for 24 x 40"):
        read(folder)


def test_uer_ids_are_those_of_the_vocabulary(originals):
    """Their config names none, so transformers fills in 50256, which is beyond the vocabulary."""
    tokenizer = read_hugging_face(originals[0] / "bert").tokenizer
    assert (tokenizer.start_id, tokenizer.end_id, tokenizer.pad_id) == (101, 102, 0)


def test_what_is_not_kept_is_noted(folder, family):
    assert not read_hugging_face(folder).notes
    size = read_hugging_face(folder).tokenizer.vocabulary_size
    for ids in (50256, None, [size], -1):
        set_config(folder, eos_token_id=ids)
        assert not read_hugging_face(folder).notes
    set_config(folder, eos_token_id=[7, 9])
    end = "[SEP]" if family == "bert" else "<|endoftext|>"
    assert "ends texts at 7, 9; here they end at" in read_hugging_face(folder).notes[0]
    assert end in read_hugging_face(folder).notes[0]
    (folder / "generation_config.json").write_text('{"temperature": 0.5, "top_k": 7, "eos_token_id": 1}')
    assert "temperature, top_k are not kept" in read_hugging_face(folder).notes[1]


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "tf_model.h5"])
def test_a_pointer_of_git_lfs(folder, name):
    (folder / "model.safetensors").unlink()
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(RequestError, match="git lfs pull"):
        read(folder)


def test_a_training_checkpoint_is_no_state_dict(folder, model):
    (folder / "model.safetensors").unlink()
    torch.save({"model": model.state_dict(), "step": 5}, folder / "pytorch_model.bin")
    with pytest.raises(RequestError, match="this one holds 'model', 'step'"):
        read(folder)


def test_rows_that_only_fill_up_the_embedding(folder):
    size = read_hugging_face(folder).tokenizer.vocabulary_size
    set_config(folder, vocab_size=-(-size // 64) * 64)
    assert read_hugging_face(folder).shape.vocabulary_size % 64 == 0
    assert not read_hugging_face(folder).notes


def test_rows_without_a_token_are_never_drawn(folder, family):
    """A resized embedding, whose surplus rows would win every draw."""
    from kgpt2.config.settings import Settings
    from kgpt2.generation.bans import Bans

    size = read_hugging_face(folder).tokenizer.vocabulary_size
    set_config(folder, vocab_size=size + 2)
    checkpoint = read_hugging_face(folder)
    assert f"those from {size} on are never drawn" in checkpoint.notes[-1]
    mask = Bans(checkpoint.shape.vocabulary_size, checkpoint.tokenizer, Settings(default_bans=False)).mask
    assert mask.tolist() == [False] * size + [True] * 2
