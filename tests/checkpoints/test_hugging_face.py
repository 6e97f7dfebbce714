"""What a Hugging Face folder can hold: configurations, tokenizers and layouts of weights."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from kgpt2.checkpoints.hugging_face import read_hugging_face
from kgpt2.checkpoints.names import read_model
from kgpt2.errors import RequestError
from tests import hugging_face

torch = pytest.importorskip("torch")
SHAPE = {"n_embd": 24, "n_layer": 2, "n_head": 2, "n_positions": 32}
TEXTS = ["春满神州花似锦-福临华夏", "hello Hello 2024，新词 a新词b [EOT] [SEP]x", "Ünïcödé  新 词\u3000。", ""]


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A folder of each family with a random model as safetensors, and the models."""
    root = tmp_path_factory.mktemp("originals")
    vocabulary = hugging_face.bert_vocabulary(260)
    hugging_face.write_bert_tokenizer(root / "bert", vocabulary)
    bpe, merges = hugging_face.bpe_vocabulary()
    hugging_face.write_bpe_tokenizer(root / "bpe", bpe, merges)
    models = {}
    for family, size in (("bert", len(vocabulary)), ("bpe", len(bpe))):
        models[family] = hugging_face.random_model(size, **SHAPE)
        hugging_face.write_config(root / family, models[family], uer=family == "bert")
        hugging_face.write_weights(root / family, models[family], "safetensors")
    return root, models


@pytest.fixture(params=["bert", "bpe"])
def family(request):
    return request.param


@pytest.fixture
def folder(originals, family, tmp_path):
    return shutil.copytree(originals[0] / family, tmp_path / "model")


@pytest.fixture
def model(originals, family):
    return originals[1][family]


def set_config(folder, file="config.json", **values):
    path = folder / file
    config = json.loads(path.read_text("utf-8")) if path.exists() else {}
    path.write_text(json.dumps({**config, **values}), "utf-8")


def read(folder):
    with read_hugging_face(folder).open_weights() as tensors:
        return {name: tensor.read() for name, tensor in tensors.items()}


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
        ({"n_head": 5}, "no multiple of num_heads"),
        ({"n_layer": 0}, "num_layers is 0"),
        ({"n_layer": 10**9}, "num_layers is 1000000000"),
        ({"n_embd": "24"}, "hidden_dim is '24'"),
        ({"n_inner": -1}, "intermediate_dim is -1"),
        ({"n_positions": 1.5}, "max_sequence_length is 1.5"),
        ({"resid_pdrop": None}, "dropout is None"),
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
    from kgpt2.generation.rows import Bans
    from kgpt2.generation.settings import Settings

    size = read_hugging_face(folder).tokenizer.vocabulary_size
    set_config(folder, vocab_size=size + 2)
    checkpoint = read_hugging_face(folder)
    assert f"those from {size} on are never drawn" in checkpoint.notes[-1]
    mask = Bans(checkpoint.shape.vocabulary_size, checkpoint.tokenizer, Settings(default_bans=False)).mask
    assert mask.tolist() == [False] * size + [True] * 2


def saved_by_transformers(folder, change=lambda tokenizer: None):
    """Replaces the tokenizer's files by those that transformers writes after a change; returns its tokenizer."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    change(tokenizer)
    for name in ("vocab.txt", "vocab.json", "merges.txt", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)
    tokenizer.save_pretrained(folder)
    set_config(folder, vocab_size=len(tokenizer))
    return AutoTokenizer.from_pretrained(folder)


def assert_same_ids(ours, theirs):
    for text in TEXTS:
        assert ours.encode(text) == theirs(text, add_special_tokens=False).input_ids, text
    assert ours.vocabulary_size == len(theirs)


def test_the_tokenizer_that_transformers_saves(folder):
    theirs = saved_by_transformers(folder)
    assert (folder / "tokenizer.json").is_file()
    assert not (folder / "vocab.txt").exists(), "transformers 5 writes no other file"
    assert_same_ids(read_hugging_face(folder).tokenizer, theirs)


def test_added_tokens(folder):
    def change(tokenizer):
        tokenizer.add_tokens(["新词"])
        tokenizer.add_special_tokens({"additional_special_tokens": ["[EOT]"]})

    theirs = saved_by_transformers(folder, change)
    ours = read_hugging_face(folder).tokenizer
    assert_same_ids(ours, theirs)
    assert ours.added_tokens == {"新词": False, "[EOT]": True}
    new, end = (theirs.convert_tokens_to_ids(token) for token in ("新词", "[EOT]"))
    assert ours.decode([new, end, new]) == "新词新词"
    assert end in ours.default_bans
    assert new not in ours.default_bans


def test_special_tokens_of_bert_added_to_byte_level_bpe(originals, tmp_path):
    folder = shutil.copytree(originals[0] / "bpe", tmp_path / "model")
    roles = {f"{role}_token": f"[{role.upper()}]" for role in ("pad", "sep", "cls", "unk", "mask")}
    theirs = saved_by_transformers(folder, lambda tokenizer: tokenizer.add_special_tokens(roles))
    ours = read_hugging_face(folder).tokenizer
    assert_same_ids(ours, theirs)
    ids = theirs.convert_tokens_to_ids(list(roles.values()))
    assert ours.encode("[CLS]hello[SEP][PAD]") == [ids[2], *theirs("hello").input_ids, ids[1], ids[0]]
    assert set(ids) < set(ours.special_ids)


@pytest.mark.parametrize("lower", [False, True], ids=["cased", "lower"])
def test_added_tokens_that_are_looked_for_after_normalising(originals, tmp_path, lower):
    from transformers import AddedToken

    folder = shutil.copytree(originals[0] / "bert", tmp_path / "model")
    set_config(folder, "tokenizer_config.json", do_lower_case=lower)
    tokens = [AddedToken(token, normalized=token != "Llo") for token in ("GPT", "Llo", "新词")]
    theirs = saved_by_transformers(folder, lambda tokenizer: tokenizer.add_tokens(tokens))
    ours = read_hugging_face(folder).tokenizer
    for text in ("GPT gpt Gptx", "Llo LLO", "x新词，新 词", "G\u200bPT", "gpt[SEP]GPT"):
        assert ours.encode(text) == theirs(text, add_special_tokens=False).input_ids, text
    assert ours.token_to_id["GPT"] in ours.encode("gpt") or not lower


def test_added_tokens_with_a_role_and_no_id_of_their_own(originals, tmp_path):
    """As transformers 2 and 3 left them: named in special_tokens_map.json alone."""
    from transformers import AutoTokenizer

    folder = shutil.copytree(originals[0] / "bpe", tmp_path / "model")
    roles = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|pad|>"}
    (folder / "special_tokens_map.json").write_text(json.dumps(roles), "utf-8")
    set_config(folder, "tokenizer_config.json", tokenizer_class="GPT2Tokenizer")
    theirs = AutoTokenizer.from_pretrained(folder)
    set_config(folder, vocab_size=len(theirs))
    ours = read_hugging_face(folder).tokenizer
    assert ours.encode("<|pad|><|startoftext|>") == theirs("<|pad|><|startoftext|>").input_ids
    assert (ours.start_id, ours.end_id) == (theirs.bos_token_id, theirs.eos_token_id)


def test_added_tokens_of_the_older_layout(folder, family):
    """vocab.txt or vocab.json, with added_tokens.json beside it."""
    before = read_hugging_face(folder)
    size = before.tokenizer.vocabulary_size
    (folder / "added_tokens.json").write_text(json.dumps({"[B]": size + 1, "[A]": size}), "utf-8")
    set_config(folder, vocab_size=size + 2)
    tokenizer = read_hugging_face(folder).tokenizer
    assert tokenizer.encode("[B][A]") == [size + 1, size]
    (folder / "added_tokens.json").write_text(json.dumps({"[B]": size + 5}), "utf-8")
    with pytest.raises(RequestError, match="do not follow those of the vocabulary"):
        read_hugging_face(folder)


def test_lower_case_comes_from_the_tokenizer_config(originals, tmp_path):
    folder = shutil.copytree(originals[0] / "bert", tmp_path / "model")
    for value in (True, False, None):
        set_config(folder, "tokenizer_config.json", do_lower_case=value)
        if value is None:
            (folder / "tokenizer_config.json").unlink()
        from transformers import BertTokenizer

        theirs = BertTokenizer.from_pretrained(folder)
        ours = read_hugging_face(folder).tokenizer
        assert ours.encode("Hello") == theirs("Hello", add_special_tokens=False).input_ids
        assert ours.do_lower_case is (value is not False)


@pytest.mark.parametrize(
    ("family", "change", "words"),
    [
        ("bert", lambda t: t["model"].update(type="Unigram"), "a Unigram tokenizer"),
        ("bert", lambda t: t["normalizer"].update(handle_chinese_chars=False), "not BERT's"),
        ("bert", lambda t: t["normalizer"].update(type="NFKC"), "not BERT's"),
        ("bert", lambda t: t["pre_tokenizer"].update(type="Whitespace"), "not BERT's"),
        ("bert", lambda t: t["model"].update(continuing_subword_prefix="@@"), "not BERT's"),
        ("bert", lambda t: t["model"]["vocab"].pop("[unused7]"), "do not run from 0 without a gap"),
        ("bert", lambda t: t["added_tokens"][0].update(lstrip=True), "takes spaces with it"),
        ("bert", lambda t: t["added_tokens"][0].update(id=77), "has the id 77"),
        ("bpe", lambda t: t.update(normalizer={"type": "NFC"}), "not GPT-2's"),
        ("bpe", lambda t: t["pre_tokenizer"].update(add_prefix_space=True), "not GPT-2's"),
        ("bpe", lambda t: t["model"].update(byte_fallback=True), "not GPT-2's"),
        ("bpe", lambda t: t["model"]["merges"].append(["x1", "y2"]), "do not belong together"),
    ],
)
def test_tokenizers_that_are_refused(folder, change, words):
    saved_by_transformers(folder)
    document = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    change(document)
    (folder / "tokenizer.json").write_text(json.dumps(document), "utf-8")
    with pytest.raises(RequestError, match=words):
        read_hugging_face(folder)


@pytest.mark.parametrize("kind", ["BertJapaneseTokenizer", "T5Tokenizer", "RoFormerTokenizer", "CpmTokenizerFast"])
@pytest.mark.parametrize("file", ["tokenizer_config.json", "config.json"])
def test_look_alikes_are_refused_by_name(folder, kind, file):
    (folder / "tokenizer_config.json").write_text("{}", "utf-8")
    set_config(folder, file, tokenizer_class=kind)
    with pytest.raises(RequestError, match=f"is a {kind}; kgpt2 reads BertTokenizer and GPT2Tokenizer"):
        read_hugging_face(folder)


@pytest.mark.parametrize("key", ["auto_map", "word_tokenizer_type", "subword_tokenizer_type"])
def test_tokenizers_of_their_own_code_are_refused(folder, key):
    set_config(folder, "tokenizer_config.json", **{key: "mecab"})
    with pytest.raises(RequestError, match=f"{key} is set"):
        read_hugging_face(folder)


def test_the_rules_in_tokenizer_json_count_beside_a_vocabulary(folder, family):
    saved_by_transformers(folder)
    document = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    document["normalizer"] = {"type": "NFKC"}
    (folder / "tokenizer.json").write_text(json.dumps(document), "utf-8")
    vocabulary = document["model"]["vocab"]
    if family == "bert":
        (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in vocabulary), "utf-8")
    else:
        (folder / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
        merges = "".join(f"{first} {second}\n" for first, second in document["model"]["merges"])
        (folder / "merges.txt").write_text(merges, "utf-8")
    with pytest.raises(RequestError, match="but not"):
        read_hugging_face(folder)


def test_empty_lines_of_a_vocabulary_keep_their_ids(originals, tmp_path):
    from transformers import BertTokenizer

    folder = shutil.copytree(originals[0] / "bert", tmp_path / "model")
    lines = (folder / "vocab.txt").read_text("utf-8").split("\n")[:-1]
    lines[1] = lines[150] = lines[200] = ""
    (folder / "vocab.txt").write_text("\n".join([*lines, "", ""]) + "\n", "utf-8")
    theirs, ours = BertTokenizer.from_pretrained(folder), read_hugging_face(folder).tokenizer
    for text in TEXTS[1:]:
        assert ours.encode(text) == theirs(text, add_special_tokens=False).input_ids, text
    assert ours.vocabulary_size == len(lines), "empty lines behind the last token hold no place"
    assert {1, 150, 200} < set(ours.default_bans)
    assert ours.decode([ours.token_to_id["春"], 150, ours.token_to_id["满"]]) == "春满"


def test_another_end_of_text_is_refused(originals, tmp_path):
    folder = shutil.copytree(originals[0] / "bpe", tmp_path / "model")
    set_config(folder, "tokenizer_config.json", eos_token="</s>")
    with pytest.raises(RequestError, match="end with '</s>'"):
        read_hugging_face(folder)


def test_no_tokenizer_and_no_weights(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(RequestError, match=r"no weights \(none of model.safetensors, pytorch_model.bin, tf_model.h5"):
        read_hugging_face(folder)
    for name in ("vocab.txt", "vocab.json", "merges.txt"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(RequestError, match="no tokenizer"):
        read_hugging_face(folder)
