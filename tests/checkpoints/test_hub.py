"""Downloads from a mirror of the Hugging Face hub that runs in this process, with the hub's own requests."""

import json
import shutil

import pytest

from kgpt2.checkpoints.hub import fetch
from kgpt2.checkpoints.names import read_model
from kgpt2.errors import RequestError, WorkError
from tests import hugging_face
from tests.hub import COMMIT, Hub

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.timeout(60)
# What the real repositories hold besides.
OTHERS = ("README.md", ".gitattributes", "flax_model.msgpack", "onnx/model.onnx", "../../escape", "training_args.bin")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "repository"
    hugging_face.write_uer_model(folder, 220, "bin", "h5", n_embd=24, n_layer=2, n_head=2, n_positions=16)
    return folder


@pytest.fixture
def mirror(folder, tmp_path, monkeypatch):
    mirror = Hub(folder, others=OTHERS)
    monkeypatch.setenv("HF_ENDPOINT", mirror.address)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    yield mirror
    mirror.close()


def test_only_what_is_needed_comes_and_only_once(mirror, folder):
    checkpoint = read_model("hf://uer/poems")
    assert checkpoint.folder.parent.name == "snapshots"
    assert checkpoint.folder.name == COMMIT
    downloaded = mirror.downloaded()
    assert sorted(downloaded) == ["config.json", "pytorch_model.bin", "tokenizer_config.json", "vocab.txt"]
    assert downloaded[-1] == "pytorch_model.bin"
    before = len(mirror.requests)
    assert read_model("hf://uer/poems").folder == checkpoint.folder
    assert read_model(f"hf://uer/poems@{COMMIT}").folder == checkpoint.folder
    assert len(mirror.requests) == before, "the cache answers without the network"


def test_safetensors_are_preferred(mirror, folder):
    (folder / "model.safetensors").write_bytes(b"not read here")
    read_model("hf://uer/poems")
    assert mirror.downloaded()[-1] == "model.safetensors"


def test_shards(mirror, folder):
    hugging_face.shard(folder)
    read_model("hf://uer/poems@main")
    assert mirror.downloaded()[-3:] == [
        "pytorch_model.bin.index.json",
        "pytorch_model-00001-of-00002.bin",
        "pytorch_model-00002-of-00002.bin",
    ]


def test_what_tells_the_first_and_last_token_comes_too(mirror, folder):
    (folder / "generation_config.json").write_text('{"bos_token_id": 103, "eos_token_id": 101}')
    tokenizer = read_model("hf://uer/poems").tokenizer
    assert (tokenizer.start_token, tokenizer.end_token) == ("[MASK]", "[CLS]")


def test_an_adapter_and_the_base_that_it_names(mirror, folder, tmp_path):
    whole = shutil.copytree(folder, tmp_path / "whole")
    for name in ("config.json", "pytorch_model.bin", "tf_model.h5"):
        (folder / name).unlink()
    layer = {"lora_A.weight": torch.ones(2, 24), "lora_B.weight": torch.ones(72, 2)}
    state = {f"base_model.model.transformer.h.0.attn.c_attn.{name}": tensor for name, tensor in layer.items()}
    torch.save(state, folder / "adapter_model.bin")
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 2, "base_model_name_or_path": str(whole)}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    checkpoint = read_model("hf://uer/poems")
    assert checkpoint.base.folder == whole
    assert mirror.downloaded()[-1] == "adapter_model.bin"
    with checkpoint.open_weights() as merged, checkpoint.base.open_weights() as plain:
        name = "h.0.attn.c_attn.weight"
        assert abs(merged[name].read() - plain[name].read() - 2).max() < 1e-5
    before = len(mirror.requests)
    assert read_model("hf://uer/poems").folder == checkpoint.folder
    assert len(mirror.requests) == before, "the cache answers without the network"


def test_a_keras_preset(mirror, folder, chinese_preset):
    shutil.rmtree(folder)
    shutil.copytree(chinese_preset, folder)
    assert read_model("hf://uer/poems").shape == read_model(str(chinese_preset)).shape
    assert mirror.downloaded()[-1] == "model.weights.h5"


def test_a_download_that_breaks_off_goes_on_from_there(mirror, folder, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1024)  # the real one is 10 MB
    file = "pytorch_model.bin"
    mirror.cut = {file}
    snapshot = read_model("hf://uer/poems").folder
    asked = [ranges for method, path, ranges in mirror.requests if method == "GET" and path.endswith(file)]
    assert len(asked) == 2
    assert asked[0] is None
    assert int(asked[1].removeprefix("bytes=").removesuffix("-")) > 0.4 * (folder / file).stat().st_size
    assert (snapshot / file).read_bytes() == (folder / file).read_bytes()


def test_half_a_snapshot_is_completed(mirror, folder):
    snapshot = read_model("hf://uer/poems").folder
    (snapshot / "pytorch_model.bin").unlink()
    assert read_model("hf://uer/poems").folder == snapshot


def test_offline(mirror, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WorkError, match="HF_HUB_OFFLINE is set") as error:
        fetch("hf://uer/poems")
    assert len(str(error.value).splitlines()) == 2
    assert not mirror.requests
    monkeypatch.delenv("HF_HUB_OFFLINE")
    snapshot = fetch("hf://uer/poems")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert fetch("hf://uer/poems") == snapshot


def test_a_mirror_that_is_not_there(mirror, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(WorkError, match=r"127\.0\.0\.1 cannot be reached"):
        fetch("hf://uer/poems")
    monkeypatch.setenv("HF_ENDPOINT", "mirror")
    with pytest.raises(RequestError, match="HF_ENDPOINT: 'mirror' is no address"):
        fetch("hf://uer/poems")


def test_what_the_hub_does_not_have(mirror, folder):
    with pytest.raises(RequestError, match="has no such repository"):
        fetch("hf://uer/nothing")
    with pytest.raises(RequestError, match="has no such revision"):
        fetch("hf://uer/poems@other")
    for name in ("pytorch_model.bin", "tf_model.h5"):
        (folder / name).unlink()
    with pytest.raises(RequestError, match="holds no weights that kgpt2 reads"):
        fetch("hf://uer/poems")


@pytest.mark.parametrize("model", ["hf://poems", "hf://../x", "hf://a/b/c", "hf://a/..", "hf://a/b@../c"])
def test_malformed_names(model):
    with pytest.raises(RequestError, match="hf://ORGANISATION/NAME"):
        fetch(model)
