"""Files of some megabytes whose structure is the harm: each must be refused, or read, in seconds and little memory."""

import gzip
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from benchmarks.parity.fuzz_formats import SHAPE, read_weights
from kgpt2.checkpoints.bert_tokenizer import SPECIAL_TOKENS
from kgpt2.config.recipes import load_config
from kgpt2.data.sources import open_source
from kgpt2.data.token_cache import counted_tokenizer, tokenise
from tests import hugging_face

# Makes a file in a folder; returns what reads it.
Structure = Callable[[Path], Callable[[], None]]
MANY = 4_900_000
_AT_ONCE = 1 << 20


def _folder(folder: Path, vocabulary: int = 220, **changes) -> Path:
    """A Hugging Face folder without weights."""
    hugging_face.write_bert_tokenizer(folder, hugging_face.bert_vocabulary(220))
    config = {"model_type": "gpt2", "vocab_size": vocabulary, **SHAPE, **changes}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    return folder


def _pickle(program: bytes) -> Structure:
    def make(folder: Path) -> Callable[[], None]:
        with zipfile.ZipFile(_folder(folder) / "pytorch_model.bin", "w") as archive:
            archive.writestr("a/data.pkl", program)
            archive.writestr("a/data/0", b"\0" * 64)
        return read_weights(folder)

    return make


def _short_entry(folder: Path) -> Callable[[], None]:
    """A zip entry that has fewer bytes than its directory claims, at the end of the file."""
    model = hugging_face.write_uer_model(folder, 220, **SHAPE)
    path = hugging_face.write_weights(folder, model, "bin")
    data = bytearray(path.read_bytes())
    place = -1
    while (place := data.find(b"PK\1\2", place + 1)) >= 0:
        (stored,) = struct.unpack_from("<I", data, place + 20)
        if stored > 64:
            struct.pack_into("<I", data, place + 20, 64)
    path.write_bytes(data)
    return read_weights(folder)


def _tiny_tensors(folder: Path) -> Callable[[], None]:
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header = json.dumps({f"t{number}": entry for number in range(75_000)}).encode()
    (_folder(folder) / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    return read_weights(folder)


def _shared_storage(folder: Path) -> Callable[[], None]:
    import torch

    everything = torch.zeros(1_000_000)
    names = [f"h.{block}.ln_1.weight" for block in range(600)]
    folder = _folder(folder, n_layer=600)
    torch.save({name: everything.as_strided((8,), (100_000,)) for name in names}, folder / "pytorch_model.bin")
    return read_weights(folder)


def _hdf5(fill: Callable[[h5py.File], None]) -> Structure:
    def make(folder: Path) -> Callable[[], None]:
        with h5py.File(_folder(folder) / "tf_model.h5", "w") as file:
            fill(file)
        return read_weights(folder)

    return make


def _graph(file: h5py.File) -> None:
    group = file.create_group("g")
    for number in range(13):
        below = file.create_group(f"g{number}")
        for link in range(10):
            group[f"{link}"] = below
        group = below


def _many_datasets(file: h5py.File) -> None:
    for number in range(9000):
        file[f"d{number}"] = np.float32(0)


def _null_spaces(file: h5py.File) -> None:
    file["wte"], file["wpe"] = h5py.Empty("f4"), np.zeros(3, "f4")
    file["wpe"].attrs["dtype"] = h5py.Empty("f4")


def _cycle(place: int, inner_only: bool) -> Structure:
    """Group B-trees of which each node has itself as a child (a crash) or as its right neighbour (no end)."""

    def make(folder: Path) -> Callable[[], None]:
        path = _folder(folder) / "tf_model.h5"
        with h5py.File(path, "w", libver="earliest") as file:
            for number in range(6000):
                file.create_group(f"g{number}")
        data, node = bytearray(path.read_bytes()), -1
        while (node := data.find(b"TREE", node + 1)) >= 0:
            if not inner_only or data[node + 5]:
                struct.pack_into("<Q", data, node + place, node)
        path.write_bytes(data)
        return read_weights(folder)

    return make


def _bomb(file: h5py.File) -> None:
    file.create_dataset("wte", data=np.zeros(50_000_000, "f4"), chunks=(50_000_000,), compression="gzip")


def _many_words(prefix: str) -> Structure:
    def make(folder: Path) -> Callable[[], None]:
        words = [*SPECIAL_TOKENS, *(f"{prefix}w{number}" for number in range(40_000))]
        added = {f"{prefix}a{number}": len(words) + number for number in range(40_000)}
        _folder(folder, len(words) + len(added))
        (folder / "vocab.txt").write_text("\n".join(words), "utf-8")
        (folder / "added_tokens.json").write_text(json.dumps(added), "utf-8")
        header = json.dumps({"wte.weight": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}).encode()
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)

        def read() -> None:
            from kgpt2.checkpoints.names import read_model

            read_model(str(folder)).tokenizer.encode(f"{prefix}w1 {prefix} 春" * 2000)

        return read

    return make


def _config(text: str) -> Structure:
    def make(folder: Path) -> Callable[[], None]:
        folder.mkdir()
        (folder / "run.yaml").write_text(text, "utf-8")
        return lambda: load_config(folder / "run.yaml")

    return make


def _json(text: str) -> Structure:
    def make(folder: Path) -> Callable[[], None]:
        (_folder(folder) / "config.json").write_text(text, "utf-8")
        return read_weights(folder)

    return make


def _data(name: str, *parts: tuple[bytes, int]) -> Structure:
    """Pieces of bytes, each so many times."""

    def make(folder: Path) -> Callable[[], None]:
        folder.mkdir()
        path = folder / name
        with gzip.open(path, "wb", 6) if name.endswith(".gz") else path.open("wb") as file:
            for piece, times in parts:
                for start in range(0, times, _AT_ONCE):
                    file.write(piece * min(_AT_ONCE, times - start))

        def read() -> None:
            source = open_source(str(path))
            tokenise(source, counted_tokenizer([source]), strict=False)

        return read

    return make


def _instead(name: str, put: Callable[[Path], None]) -> Structure:
    """A FIFO or a link to what never ends in the place of a file."""

    def make(folder: Path) -> Callable[[], None]:
        hugging_face.write_uer_model(folder, 220, "safetensors", **SHAPE)
        (folder / name).unlink(missing_ok=True)
        put(folder / name)
        return read_weights(folder)

    return make


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


_DOUBLED = b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(200))
_ALIASES = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20))
STRUCTURES: dict[str, Structure] = {
    "pickle, a graph of tuples": _pickle(b"\x80\x02}K\x01" + _DOUBLED + b"K\x02s."),
    "pickle, nested": _pickle(b"\x80\x02)" + b"\x85" * MANY + b"."),
    "pickle, lists": _pickle(b"\x80\x02" + b"]" * MANY + b"."),
    "pickle, marks": _pickle(b"\x80\x02" + b"K\x01" * 100_000 + b"(t0" * 1_500_000 + b"."),
    "pickle, copies": _pickle(b"\x80\x02](" + b"K\x01" * 90_000 + b"eq\0" + b"ctorch\nSize\nh\0\x85R0" * 40_000 + b"."),
    "pickle, digits": _pickle(b"\x80\x02}L" + b"1" * 5000 + b"L\nK\x02s."),
    "zip, a short entry": _short_entry,
    "torch, one storage for all": _shared_storage,
    "safetensors, tiny tensors": _tiny_tensors,
    "hdf5, a graph of links": _hdf5(_graph),
    "hdf5, tiny tensors": _hdf5(_many_datasets),
    "hdf5, null spaces": _hdf5(_null_spaces),
    "hdf5, a bomb": _hdf5(_bomb),
    "hdf5, a tree within itself": _cycle(32, inner_only=True),
    "hdf5, a neighbour of itself": _cycle(16, inner_only=False),
    "tokenizer, 80,000 words": _many_words(""),
    "tokenizer, 80,000 alike": _many_words("a" * 50),
    "yaml, aliases": _config(_ALIASES),
    "yaml, nested": _config("[" * 20_000),
    "yaml, keys": _config("".join(f"k{number}: 1\n" for number in range(45_000))),
    "yaml, base 60": _config("train: {seed: " + ":".join(["1"] * 200_000) + "}"),
    "json, digits": _json('{"model_type": "gpt2", "n_layer": ' + "1" * 5000 + "}"),
    "json, nested": _json('{"a":' * 20_000),
    "data, digits": _data("a.jsonl", (b'{"text": ', 1), (b"1", 5000), (b"}\n", 1)),
    "data, nested": _data("a.json", (b"[", 20_000)),
    "data, a long line": _data("a.txt", ("春".encode(), 3_300_000)),
    "data, empty lines": _data("a.txt", (b"\n", MANY)),
    "data, empty rows": _data("a.json", (b"[", 1), (b"{},", MANY // 3), (b"{}]", 1)),
    "gzip, zeros": _data("a.txt.gz", (b"\0", 1 << 29)),
    "gzip, lines": _data("a.txt.gz", (b"\n", 1 << 28)),
    "gzip, rows": _data("a.json.gz", (b"[", 1), (b"{},", 1 << 26), (b"{}]", 1)),
    "a FIFO for the weights": _instead("model.safetensors", os.mkfifo),
    "a FIFO for the vocabulary": _instead("vocab.txt", os.mkfifo),
    "a FIFO for the settings": _instead("tokenizer_config.json", os.mkfifo),
    "an endless vocabulary": _instead("vocab.txt", _endless),
    "an endless configuration": _instead("config.json", _endless),
    "endless weights": _instead("model.safetensors", _endless),
}
