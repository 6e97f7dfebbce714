"""Bytes become arrays only where they are there: what was read is compared with what was promised."""

import json
import os
import struct
import zipfile

import h5py
import numpy as np
import pytest

from kgpt2.checkpoints.formats.hdf5 import open_hdf5
from kgpt2.checkpoints.formats.torch_file import open_torch
from kgpt2.checkpoints.names import read_model
from kgpt2.errors import RequestError
from tests import hugging_face

torch = pytest.importorskip("torch")
SHAPE = {"n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 16}


@pytest.fixture
def state():
    wide = torch.arange(60, dtype=torch.float32).reshape(6, 10)
    return {
        "whole": wide,
        "transposed": wide.T,
        "column": wide[:, 3],
        "row": wide[2],
        "corner": wide[1:3, 4:7],
        "one": torch.ones(1, 1).expand(1, 1),
        "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    }


def read_all(path):
    with open_torch(path) as tensors:
        return {name: np.array(tensor.read(), "f4") for name, tensor in tensors.items()}


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
def test_views_are_what_torch_says(tmp_path, state, is_zip):
    path = tmp_path / "a.bin"
    torch.save(state, path, _use_new_zipfile_serialization=is_zip)
    found, wanted = read_all(path), torch.load(path)
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        np.testing.assert_array_equal(found[name], tensor.float().numpy(), name)


def test_a_view_is_checked_like_the_whole(tmp_path, state):
    path = tmp_path / "a.bin"
    torch.save({"row": state["row"]}, path)
    data = bytearray(path.read_bytes())
    data[data.index(state["whole"].numpy().tobytes()) + 239] ^= 1  # a byte that the row does not reach
    path.write_bytes(data)
    with pytest.raises(RequestError, match="CRC"):
        read_all(path)


@pytest.mark.parametrize("field", ["stored", "claimed", "both", "place"])
def test_zip_entries_that_claim_what_is_not_there(tmp_path, state, field):
    path = tmp_path / "a.bin"
    torch.save(state, path)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        entry = next(one for one in archive.infolist() if one.filename.endswith("data/0"))
    record = next(
        place
        for place in range(len(data))
        if data[place : place + 4] == b"PK\1\2" and data[place + 46 :].startswith(entry.filename.encode())
    )
    if field in ("stored", "both"):
        struct.pack_into("<I", data, record + 20, 1 << 20 if field == "both" else 16)
    if field in ("claimed", "both"):
        struct.pack_into("<I", data, record + 24, 1 << 20)
    if field == "place":
        struct.pack_into("<I", data, record + 42, len(data) - 20)
    path.write_bytes(data)
    with pytest.raises(RequestError, match=r"claims bytes|cannot be read|were promised"):
        read_all(path)


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
def test_a_file_that_is_cut_after_it_was_opened(tmp_path, is_zip):
    path = tmp_path / "a.bin"
    torch.save({"a": torch.zeros(100_000)}, path, _use_new_zipfile_serialization=is_zip)
    with open_torch(path) as tensors:
        os.truncate(path, 50_000)
        with pytest.raises(RequestError, match=r"cut off|cannot be read"):
            tensors["a"].read()


def test_a_stride_of_a_single_place_may_be_anything(tmp_path):
    path = tmp_path / "a.bin"
    tensor = torch.arange(3.0).as_strided((1, 3), (2**61, 1))
    torch.save({"a": tensor}, path)
    np.testing.assert_array_equal(read_all(path)["a"], [[0, 1, 2]])


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (lambda file: file.update_links(), "linked twice"),
        (lambda file: file.create_dataset("a", data=np.zeros(9, "f4"), compression="gzip"), "is compressed"),
        (lambda file: file.create_dataset("a", data=np.zeros(9, "f4"), chunks=(3,)), "is stored in chunks"),
        (lambda file: [file.create_group(f"g{number}") for number in range(8001)], "more than 8,000 objects"),
    ],
    ids=["graph", "compressed", "chunks", "many"],
)
def test_hdf5_structures(tmp_path, monkeypatch, fill, words):
    def update_links(file):
        file["a/b"] = np.zeros(3, "f4")
        file["c"] = file["a"]

    monkeypatch.setattr(h5py.File, "update_links", update_links, raising=False)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        fill(file)
    with pytest.raises(RequestError, match=words), open_hdf5(tmp_path / "a.h5"):
        pass


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("place", "inner"), [(32, True), (16, False)], ids=["crash", "no-end"])
def test_trees_of_hdf5_that_lead_back_to_themselves(tmp_path, place, inner):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="earliest") as file:
        for number in range(3000):
            file.create_group(f"g{number}")
    data, node = bytearray(path.read_bytes()), -1
    while (node := data.find(b"TREE", node + 1)) >= 0:
        if not inner or data[node + 5]:
            struct.pack_into("<Q", data, node + place, node)
    path.write_bytes(data)
    with pytest.raises(RequestError, match="crash or run without end"), open_hdf5(path):
        pass


def test_hdf5_null_spaces_are_no_tensors(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["null"], file["good"] = h5py.Empty("f4"), np.ones(2, "f4")
        file["good"].attrs["dtype"] = h5py.Empty("f4")
    with open_hdf5(tmp_path / "a.h5") as tensors:
        assert list(tensors) == ["good"]
        np.testing.assert_array_equal(tensors["good"].read(), [1, 1])


@pytest.mark.parametrize("kind", ["fifo", "device", "loop"])
@pytest.mark.parametrize("name", ["vocab.txt", "model.safetensors", "tokenizer_config.json", "config.json"])
@pytest.mark.timeout(30)
def test_what_is_no_regular_file_is_refused(tmp_path, kind, name):
    folder = tmp_path / "model"
    hugging_face.write_uer_model(folder, 220, "safetensors", **SHAPE)
    (folder / name).unlink()
    if kind == "fifo":
        os.mkfifo(folder / name)
    else:
        (folder / name).symlink_to("/dev/zero" if kind == "device" else name)
    with pytest.raises(RequestError, match=str(folder)):
        read_model(str(folder))


@pytest.mark.parametrize(
    ("family", "name", "change", "words"),
    [
        ("bert", "added_tokens.json", {"": 220}, "an added token is ''"),
        ("bert", "added_tokens.json", {"\ud800": 220}, "which is no text"),
        ("bert", "added_tokens.json", {"新": "first"}, "has no id"),
        ("bert", "added_tokens.json", {"新": True}, "has no id"),
        ("bert", "added_tokens.json", [], "a JSON object"),
        ("bpe", "tokenizer_config.json", {"added_tokens_decoder": {"0": {"content": None}}}, "is None"),
        ("bpe", "tokenizer_config.json", {"added_tokens_decoder": []}, None),
        ("bpe", "tokenizer_config.json", {"added_tokens_decoder": [1]}, "no list"),
        ("bpe", "config.json", {"model_type": "gpt2", "n_layer": 10**400}, "n_layer is"),
        ("bpe", "config.json", {"registered_name": ["a"]}, "registered_name"),
        ("bpe", "config.json", {"model_type": "\x1b[2J"}, r"\\x1b\[2J"),
    ],
)
def test_descriptions_of_other_types(tmp_path, family, name, change, words):
    folder = tmp_path / "model"
    tokens = hugging_face.write_tokenizer(folder, family)
    model = hugging_face.random_model(len(tokens), **SHAPE)
    hugging_face.write_config(folder, model)
    hugging_face.write_weights(folder, model, "safetensors")
    (folder / name).write_text(json.dumps(change), "utf-8")
    if words is None:
        read_model(str(folder))
        return
    with pytest.raises(RequestError, match=words):
        read_model(str(folder))


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("preprocessor.json", {"sequence_length": True}, "sequence_length is True"),
        ("preprocessor.json", {"sequence_length": 1e9}, "sequence_length is"),
        ("tokenizer.json", {"added_tokens": ["a"]}, "added_tokens is"),
        ("tokenizer.json", {"added_tokens": {"春": 1}}, "added_tokens is"),
        ("tokenizer.json", {"added_tokens": {"": True}}, "added_tokens is"),
        ("tokenizer.json", {"added_tokens": {"没有这个": True}}, "the vocabulary lacks"),
        ("tokenizer.json", {"strip_accents": "x"}, "not true or false"),
        ("tokenizer.json", {"do_lower_case": []}, "not true or false"),
        ("tokenizer.json", {"normalized_tokens": "[CLS]"}, "not a list of tokens"),
    ],
)
def test_presets_of_other_types(chinese_preset, tmp_path, name, change, words):
    _refused(chinese_preset, tmp_path, name, change, words)


@pytest.mark.parametrize("value", ["abc", [5], [""], {"a": 1}, 7])
def test_unsplittable_tokens_of_other_types(english_preset, tmp_path, value):
    _refused(english_preset, tmp_path, "tokenizer.json", {"unsplittable_tokens": value}, "unsplittable_tokens is")


def _refused(preset, tmp_path, name, change, words):
    import shutil

    folder = shutil.copytree(preset, tmp_path / "preset")
    document = json.loads((folder / name).read_text("utf-8"))
    document["config"] |= change
    (folder / name).write_text(json.dumps(document), "utf-8")
    with pytest.raises(RequestError, match=words):
        read_model(str(folder))
