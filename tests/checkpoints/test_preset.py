import json
import shutil

import pytest

from kgpt2.checkpoints.preset import read_preset
from kgpt2.checkpoints.shape import Shape
from kgpt2.errors import RequestError


@pytest.fixture
def copy(tmp_path, chinese_preset):
    return shutil.copytree(chinese_preset, tmp_path / "preset")


def change(path, **values):
    document = json.loads(path.read_text("utf-8"))
    document["config"].update(values)
    path.write_text(json.dumps(document), "utf-8")


def test_both_families(chinese_preset, english_preset):
    preset = read_preset(chinese_preset)
    assert (preset.is_chinese, preset.sequence_length) == (True, 64)
    assert preset.shape == Shape(preset.tokenizer.vocabulary_size, 2, 2, 32, 128, 64, 0.1)
    preset = read_preset(english_preset)
    assert (preset.is_chinese, preset.sequence_length) == (False, 64)
    assert preset.tokenizer.encode("hello world") == preset.tokenizer.encode("hello world")


def read_preset_size(folder):
    return json.loads((folder / "config.json").read_text("utf-8"))["config"]["vocabulary_size"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_layers", "12"),
        ("num_layers", 0),
        ("num_layers", True),
        ("hidden_dim", 33),
        ("vocabulary_size", 10**12),
        ("dropout", None),
        ("max_sequence_length", 1.5),
    ],
)
def test_numbers_that_are_no_shape_are_refused(copy, name, value):
    change(copy / "config.json", **{name: value})
    with pytest.raises(RequestError, match=name):
        read_preset(copy)


def test_other_damage_is_refused(copy):
    change(copy / "config.json", dtype={"class_name": "DTypePolicyMap", "config": {}})
    with pytest.raises(RequestError, match="quantized"):
        read_preset(copy)
    size = read_preset_size(copy)
    change(copy / "config.json", dtype=None, vocabulary_size=5)
    with pytest.raises(RequestError, match="do not belong together"):
        read_preset(copy)
    change(copy / "config.json", vocabulary_size=size)
    (copy / "model.weights.h5").unlink()
    with pytest.raises(RequestError, match=r"no model\.weights\.h5"):
        read_preset(copy)
    (copy / "config.json").write_text('{"registered_name": "evil>Thing"}')
    with pytest.raises(RequestError, match="'evil>Thing'"):
        read_preset(copy)


@pytest.mark.parametrize(
    "values",
    [{"start_token": 5}, {"end_token": "[END]"}, {"newline_token": ["[SEP]"]}, {"normalized_tokens": ["没有这个"]}],
    ids=str,
)
def test_tokens_that_are_not_the_vocabularys_are_refused(copy, values):
    change(copy / "tokenizer.json", **values)
    with pytest.raises(RequestError, match="tokens are not those of its vocabulary"):
        read_preset(copy)
