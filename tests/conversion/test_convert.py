"""Conversion between Keras presets, Hugging Face folders and GGUF."""

import json
import shutil

import keras
import keras_hub
import numpy as np
import pytest

import kgpt2.models as models
from kgpt2.checkpoints.names import read_model
from kgpt2.conversion.convert import convert
from kgpt2.conversion.gguf import gguf_name
from kgpt2.errors import RequestError
from tests import hugging_face

torch = pytest.importorskip("torch")
IDS = np.array([[2, 5, 6, 7, 8, 9]], dtype="int32")


@pytest.fixture(params=["chinese_preset", "english_preset"])
def preset(request):
    return request.getfixturevalue(request.param)


def weights(folder):
    with read_model(str(folder)).open_weights() as tensors:
        return {name: tensor.read() for name, tensor in tensors.items()}


def logits(task):
    return keras.ops.convert_to_numpy(task({"token_ids": IDS, "padding_mask": np.ones_like(IDS)}))


def assert_same_bits(one, other):
    assert list(one) == list(other)
    for name, array in one.items():
        assert array.dtype == other[name].dtype, name
        assert array.tobytes() == other[name].tobytes(), name


@pytest.mark.parametrize("dtype", [None, *hugging_face.DTYPES])
def test_keras_to_hugging_face_and_back_bit_for_bit(preset, tmp_path, dtype):
    convert(read_model(str(preset)), tmp_path / "hf", "transformers", dtype)
    convert(read_model(str(tmp_path / "hf")), tmp_path / "keras")
    convert(read_model(str(tmp_path / "keras")), tmp_path / "hf2", "transformers")
    assert_same_bits(weights(tmp_path / "hf"), weights(tmp_path / "keras"))
    assert (tmp_path / "hf/model.safetensors").read_bytes() == (tmp_path / "hf2/model.safetensors").read_bytes()
    if dtype in (None, "float32"):
        assert_same_bits(weights(preset), weights(tmp_path / "keras"))
    ours, before = read_model(str(tmp_path / "keras")), read_model(str(preset))
    assert ours.shape == before.shape
    assert ours.tokenizer.token_to_id == before.tokenizer.token_to_id
    assert ours.tokenizer.default_bans == before.tokenizer.default_bans


@pytest.mark.backends
@pytest.mark.parametrize("dtype", hugging_face.DTYPES)
def test_the_preset_is_one_that_kerashub_loads(preset, tmp_path, dtype):
    convert(read_model(str(preset)), tmp_path / "keras", dtype=dtype)
    theirs = keras_hub.models.CausalLM.from_preset(str(tmp_path / "keras"))
    ours = models.load_task(read_model(str(tmp_path / "keras")))
    before = keras_hub.models.CausalLM.from_preset(str(preset))
    assert type(theirs) is type(before)
    assert np.array_equal(logits(theirs), logits(ours))
    assert np.abs(logits(theirs) - logits(before)).max() < (1e-6 if dtype == "float32" else 1)
    assert theirs.preprocessor.sequence_length == before.preprocessor.sequence_length
    for text in ("春眠不觉晓，处处闻啼鸟。", "hello world"):
        assert list(theirs.preprocessor.tokenizer(text)) == list(before.preprocessor.tokenizer(text))
    metadata = json.loads((tmp_path / "keras/metadata.json").read_text())
    assert metadata["parameter_count"] == theirs.backbone.count_params()


def test_the_files_are_those_of_save_to_preset(preset, tmp_path):
    convert(read_model(str(preset)), tmp_path / "keras")

    def files(folder):
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    assert files(tmp_path / "keras") == files(preset)
    for name in ("config", "tokenizer", "preprocessor", "task"):
        ours, theirs = (json.loads((root / f"{name}.json").read_text()) for root in (tmp_path / "keras", preset))
        assert without_names(ours) == without_names(theirs), name


def without_names(document):
    if not isinstance(document, dict):
        return document
    named = {"trainable", "backbone"} & set(document)
    kept = {key: value for key, value in document.items() if not (key == "name" and named) and value != {}}
    return {key: without_names(value) for key, value in kept.items()}


def test_special_ids_architecture_and_generation_config(preset, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    checkpoint = read_model(str(preset))
    convert(checkpoint, tmp_path / "hf", "transformers")
    tokenizer, model = (kind.from_pretrained(tmp_path / "hf") for kind in (AutoTokenizer, AutoModelForCausalLM))
    plain = checkpoint.tokenizer
    assert type(model).__name__ == "GPT2LMHeadModel"
    assert model.config.architectures == ["GPT2LMHeadModel"]
    assert (model.config.bos_token_id, model.config.eos_token_id) == (plain.start_id, plain.end_id)
    generation = model.generation_config
    assert (generation.bos_token_id, generation.eos_token_id) == (plain.start_id, plain.end_id)
    assert generation.pad_token_id == (plain.pad_id if checkpoint.is_chinese else plain.end_id)
    assert len(tokenizer) == plain.vocabulary_size
    assert type(tokenizer).__name__ == ("TokenizersBackend" if checkpoint.is_chinese else "GPT2Tokenizer")
    if checkpoint.is_chinese:
        assert (tokenizer.cls_token_id, tokenizer.sep_token_id) == (plain.start_id, plain.end_id)
        assert (tokenizer.pad_token_id, tokenizer.unk_token_id) == (plain.pad_id, plain.unknown_id)
    else:
        assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (plain.start_id, plain.end_id)
    for text in ("春眠不觉晓，处处闻啼鸟。", "hello world", ""):
        assert tokenizer(text, add_special_tokens=False).input_ids == plain.encode(text)
    assert tokenizer.model_max_length == checkpoint.shape.max_sequence_length


@pytest.mark.parametrize("family", ["bert", "bpe"])
def test_added_tokens_survive_every_way(tmp_path, family):
    from transformers import AutoTokenizer

    folder = tmp_path / "model"
    size = len(hugging_face.write_tokenizer(folder, family))
    decoder = {str(size): {"content": "新词", "special": False}, str(size + 1): {"content": "[EOT]", "special": True}}
    config = json.loads((folder / "tokenizer_config.json").read_text()) if family == "bert" else {}
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "added_tokens_decoder": decoder}))
    model = hugging_face.random_model(size + 2, n_embd=24, n_layer=1, n_head=2, n_positions=16)
    hugging_face.write_config(folder, model)
    hugging_face.write_weights(folder, model, "safetensors")
    before = read_model(str(folder)).tokenizer
    convert(read_model(str(folder)), tmp_path / "keras")
    convert(read_model(str(tmp_path / "keras")), tmp_path / "hf", "transformers")
    keras_tokenizer = keras_hub.models.CausalLM.from_preset(str(tmp_path / "keras")).preprocessor.tokenizer
    transformers_tokenizer = AutoTokenizer.from_pretrained(tmp_path / "hf")
    for text in ("新词a新词", "hello[EOT]world 新词", "[EOT]"):
        ids = before.encode(text)
        assert size in ids or size + 1 in ids
        assert read_model(str(tmp_path / "keras")).tokenizer.encode(text) == ids
        assert list(keras_tokenizer(text)) == ids
        assert transformers_tokenizer(text, add_special_tokens=False).input_ids == ids
        if family == "bert" and keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            inside = next(iter(tf.data.Dataset.from_tensors([text]).map(keras_tokenizer)))
            assert inside.to_list() == [ids]


def test_lora_is_merged(chinese_preset, tmp_path):
    from transformers import AutoModelForCausalLM

    task = models.load_task(read_model(str(chinese_preset)))
    before = logits(task)
    task.backbone.enable_lora(4)
    rng = np.random.default_rng(0)
    for weight in task.backbone.trainable_weights:
        if "lora" in weight.path:
            weight.assign(rng.normal(0, 0.3, weight.shape).astype("float32"))
    adapted = logits(task)
    assert np.abs(adapted - before).max() > 0.1
    models.save_preset(task, tmp_path / "tuned")
    convert(read_model(str(tmp_path / "tuned")), tmp_path / "hf", "transformers")
    with torch.no_grad():
        theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "hf")(torch.tensor(IDS).long()).logits.numpy()
    assert np.abs(theirs - adapted).max() < 1e-4


def test_what_float16_cannot_hold_is_said(chinese_preset, tmp_path):
    folder = shutil.copytree(chinese_preset, tmp_path / "big")
    task = models.load_task(read_model(str(folder)))
    task.backbone.layer_norm.gamma.assign(np.full(32, 1e6, "float32"))
    models.save_preset(task, folder)
    with pytest.raises(RequestError, match=r"ln_f\.weight holds values beyond float16"):
        convert(read_model(str(folder)), tmp_path / "out", "transformers", "float16")
    assert not (tmp_path / "out").exists()
    convert(read_model(str(folder)), tmp_path / "out", "transformers", "bfloat16")


@pytest.mark.parametrize("to", ["keras", "transformers", "gguf", "openvino"])
def test_written_whole_or_not_at_all(english_preset, tmp_path, to):
    """Stopped anywhere in the middle, it leaves nothing behind."""
    target = tmp_path / ("out.gguf" if to == "gguf" else "out")

    def stop(done, total):
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(read_model(str(english_preset)), target, to, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_never_overwritten(english_preset, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.gguf").write_text("mine")
    checkpoint = read_model(str(english_preset))
    for name, to in (("file", "keras"), ("full", "transformers"), ("x.gguf", "gguf")):
        with pytest.raises(RequestError, match="exists already"):
            convert(checkpoint, tmp_path / name, to)
    with pytest.raises(RequestError, match=r"ends in \.gguf"):
        convert(checkpoint, tmp_path / "model", "gguf")
    assert (tmp_path / "file").read_text() == (tmp_path / "x.gguf").read_text() == "mine"
    convert(checkpoint, tmp_path / "empty", "transformers")
    assert (tmp_path / "empty/model.safetensors").is_file()


@pytest.mark.parametrize("dtype", hugging_face.DTYPES)
def test_gguf_holds_our_tensors_and_tokens(english_preset, tmp_path, dtype):
    gguf = pytest.importorskip("gguf")
    checkpoint = read_model(str(english_preset))
    convert(checkpoint, tmp_path / "model.gguf", "gguf", dtype)
    reader = gguf.GGUFReader(tmp_path / "model.gguf")

    def field(name):
        return reader.fields[name].contents()

    assert field("general.architecture") == "gpt2"
    numbers = {name: field(f"gpt2.{name}") for name in ("context_length", "embedding_length", "block_count")}
    assert numbers == {"context_length": 64, "embedding_length": 32, "block_count": 2}
    assert (field("gpt2.feed_forward_length"), field("gpt2.attention.head_count")) == (128, 2)
    assert field("gpt2.attention.layer_norm_epsilon") == pytest.approx(1e-5)
    tokens = {token: index for index, token in enumerate(field("tokenizer.ggml.tokens"))}
    assert tokens == checkpoint.tokenizer.token_to_id
    assert field("tokenizer.ggml.merges") == [" ".join(pair) for pair in checkpoint.tokenizer.merges]
    assert field("tokenizer.ggml.bos_token_id") == field("tokenizer.ggml.eos_token_id") == checkpoint.tokenizer.end_id
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    ours = weights(english_preset)
    assert set(tensors) == {gguf_name(name) for name in ours}
    for name, array in ours.items():
        tensor = tensors[gguf_name(name)]
        matrix = array.ndim == 2 and name not in ("wte.weight", "wpe.weight")
        kind = dtype if array.ndim == 2 and name != "wpe.weight" else "float32"
        assert tensor.tensor_type.name == {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}[kind], name
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        wanted = torch.tensor(array).to(getattr(torch, dtype)).float().numpy()
        assert np.array_equal(
            values.reshape(wanted.T.shape if matrix else wanted.shape), wanted.T if matrix else wanted
        )


def test_notes_of_a_conversion(tmp_path):
    """A BPE vocabulary that training began with <|endoftext|>, and weights in float64."""
    vocabulary, merges = hugging_face.bpe_vocabulary()
    vocabulary = {token: i for i, token in enumerate(sorted(vocabulary, key=lambda token: token != "<|endoftext|>"))}
    folder = tmp_path / "model"
    hugging_face.write_bpe_tokenizer(folder, vocabulary, merges)
    model = hugging_face.random_model(len(vocabulary), n_embd=24, n_layer=1, n_head=2, n_positions=16)
    hugging_face.write_config(folder, model)
    hugging_face.write_weights(folder, model, "bin", "float64")
    done = convert(read_model(str(folder)), tmp_path / "keras")
    assert done.dtype == "float32"
    assert "float64 weights are written as float32" in done.notes
    assert any("KerasHub pads with id 0" in note for note in done.notes)
    assert len(convert(read_model(str(folder)), tmp_path / "hf", "transformers").notes) == 1


@pytest.mark.parametrize("values", [{"to": "onnx"}, {"dtype": "int4"}])
def test_unknown_targets_and_types(english_preset, tmp_path, values):
    with pytest.raises(RequestError, match="is not one of"):
        convert(read_model(str(english_preset)), tmp_path / "out", **values)
    assert not list(tmp_path.iterdir())


def test_gguf_is_for_bpe_models_and_needs_its_package(chinese_preset, english_preset, tmp_path, monkeypatch):
    with pytest.raises(RequestError, match="byte-level BPE only"):
        convert(read_model(str(chinese_preset)), tmp_path / "x.gguf", "gguf")
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"^gguf is not .*; the extra gguf brings it\n.*kgpt2\[gguf\]"):
        convert(read_model(str(english_preset)), tmp_path / "x.gguf", "gguf")


def test_progress_counts_every_byte(english_preset, tmp_path):
    seen = []
    done = convert(
        read_model(str(english_preset)), tmp_path / "out", "transformers", progress=lambda *pair: seen.append(pair)
    )
    assert seen[0] == (0, done.bytes)
    assert seen[-1] == (done.bytes, done.bytes)
    assert len(seen) == len(weights(english_preset)) + 1
    assert done.parameters * 4 == done.bytes
