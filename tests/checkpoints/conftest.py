"""Hugging Face folders of both families, made once."""

import json
import shutil

import pytest

from kgpt2.checkpoints.hugging_face import read_hugging_face
from tests import hugging_face

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
