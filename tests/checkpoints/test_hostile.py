"""Files that are broken, or mean harm: a clear error in bounded time and memory; nothing run, nothing written."""

import io
import json
import os
import pickle
import random
import shutil
import struct
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest

from kgpt2.checkpoints.formats.torch_pickle import read_pickle
from kgpt2.checkpoints.names import read_model
from kgpt2.conversion.convert import convert
from kgpt2.errors import RequestError
from tests import hugging_face

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.timeout(60)
BYTES = 64 << 20


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("original") / "model"
    return folder, hugging_face.write_uer_model(folder, 220, n_embd=8, n_layer=1, n_head=2, n_positions=16)


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original[0], tmp_path / "model")


@pytest.fixture
def model(original):
    return original[1]


def assert_refused(folder, words):
    """Converting the folder is refused with these words, in little memory, and leaves nothing behind."""
    before = sorted(folder.parent.rglob("*"))
    tracemalloc.start()
    try:
        with pytest.raises(RequestError, match=words) as error:
            convert(read_model(str(folder)), folder.parent / "out", "transformers")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < BYTES
    assert len(str(error.value).splitlines()) <= 2
    assert str(folder) in str(error.value)
    assert sorted(folder.parent.rglob("*")) == before


class Harm:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("layout", ["bin", "legacy_bin"])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_pickle_that_calls_a_function_is_not_run(folder, tmp_path, layout, protocol):
    state = {"wte.weight": Harm(tmp_path / "harm")}
    torch.save(
        state, folder / "pytorch_model.bin", pickle_protocol=protocol, _use_new_zipfile_serialization=layout == "bin"
    )
    assert_refused(folder, r"refused, its pickle names (posix|nt|os)\.system")
    assert not (tmp_path / "harm").exists()
    torch.load(folder / "pytorch_model.bin", weights_only=False)
    assert (tmp_path / "harm").exists(), "the file would have done it"


@pytest.mark.parametrize(
    "program",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"(S'1'\nios\nsystem\n.",
        b"\x80\x02ctorch\nload\n)R.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"\x80\x02ccollections\nOrderedDict\n)\x81.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02}(K\x01K\x02K\x03u.",
        b"\x80\x02h\x07.",
        b"\x80\x020.",
        b"\x80\x02.",
        b"\x80\x02K\x01K\x02.",
        b"",
        b"\x80\x02X\xff\xff\xff\x7fabc.",
        b"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
    ],
)
def test_programs_of_the_pickle_machine_end_in_an_error(program):
    with pytest.raises(RequestError, match="file"):
        read_pickle(io.BytesIO(program), "file")


def test_what_torch_writes_is_all_the_machine_knows(model):
    """The interpreter reads plain values as pickle does."""
    values = [None, True, 1, -5, 2**40, 1.5, "春", (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [1, [2]], {"a": {"b": 1}}]
    for protocol in (2, 3, 4, 5):
        assert read_pickle(io.BytesIO(pickle.dumps(values, protocol)), "file") == values


def test_a_truncated_zip(folder, model):
    path = hugging_face.write_weights(folder, model, "bin")
    data = path.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.999):
        path.write_bytes(data[: int(len(data) * share)])
        assert_refused(folder, "not a PyTorch file")


def test_a_truncated_legacy_file(folder, model):
    path = hugging_face.write_weights(folder, model, "legacy_bin")
    data = path.read_bytes()
    for share in (0, 0.001, 0.05, 0.5, 0.999):
        path.write_bytes(data[: int(len(data) * share)])
        assert_refused(folder, "not a PyTorch file|cut off")


def rewrite_zip(path, change=lambda name, data: (name, data), compression=zipfile.ZIP_STORED, **extra):
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in [*map(change, entries, entries.values()), *extra.items()]:
            archive.writestr(name, data)


@pytest.mark.parametrize("name", ["../../escape", "/tmp/escape", "archive/../../escape", "..\\escape"])
def test_a_path_that_leads_out_of_the_archive(folder, model, name):
    path = hugging_face.write_weights(folder, model, "bin")
    rewrite_zip(path, **{name: b"x"})
    assert_refused(folder, "refused, the archive has an entry that leads out of it")


def test_a_zip_bomb(folder, model):
    path = hugging_face.write_weights(folder, model, "bin")
    rewrite_zip(path, compression=zipfile.ZIP_DEFLATED, **{"pytorch_model/data/99": b"\0" * (200 << 20)})
    assert_refused(folder, "is compressed, which PyTorch never does")


def test_storages_that_are_not_what_was_promised(folder, model):
    path = hugging_face.write_weights(folder, model, "bin")
    rewrite_zip(path, lambda name, data: (name, data[:-4] if name.endswith("data/3") else data))
    assert_refused(folder, r"storage '3' is \d+ bytes, \d+ bytes were promised")


def test_a_broken_checksum(folder, model):
    path = hugging_face.write_weights(folder, model, "bin")
    data = bytearray(path.read_bytes())
    array = model.state_dict()["transformer.wte.weight"].numpy().tobytes()
    data[data.index(array[:64]) + 5] ^= 0x01
    path.write_bytes(data)
    assert_refused(folder, "CRC")


def test_ten_gigabytes_claimed_by_a_pickle(folder, model):
    """Strides of 0 are how a small storage can stand for an endless tensor."""
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state["transformer.wte.weight"] = torch.zeros(1).as_strided((1 << 20, 1 << 20), (0, 0))
    path = folder / "pytorch_model.bin"
    torch.save(state, path)
    assert_refused(folder, "claims more numbers than its storage holds")


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header["transformer.wte.weight"].update(shape=[50_000, 50_000]),
        lambda header: header["transformer.wte.weight"].update(data_offsets=[0, 10 << 30]),
        lambda header: header["transformer.wte.weight"].update(data_offsets=[-8, 100]),
        lambda header: header["transformer.wte.weight"].update(dtype="F64"),
        lambda header: header["transformer.wpe.weight"].update(
            data_offsets=header["transformer.wte.weight"]["data_offsets"]
        ),
        lambda header: header["transformer.wte.weight"].pop("shape"),
        lambda header: header.update(more=[1]),
    ],
)
def test_a_safetensors_header_that_lies(folder, model, change):
    path = hugging_face.write_weights(folder, model, "safetensors")
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])
    assert_refused(folder, "not a safetensors file that can be read")


@pytest.mark.parametrize("size", [0, 7, 10 << 30, 2**63])
def test_a_safetensors_header_of_an_impossible_size(folder, size):
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", size) + b"{}" * 50)
    assert_refused(folder, "not a safetensors file that can be read")


def test_ten_gigabytes_claimed_by_hdf5(folder, model):
    path = hugging_face.write_weights(folder, model, "h5")
    name = "transformer/tfgpt2lm_head_model/transformer/wte/embeddings:0"
    with h5py.File(path, "a") as file:
        del file[name]
        file.create_dataset(name, shape=(50_000, 50_000), dtype="f4", chunks=(1000, 1000))
    assert_refused(folder, r"claims 10,000,000,000 bytes that are not in the file")


@pytest.mark.parametrize("kind", ["external link", "soft link", "external data", "virtual", "nested"])
def test_hdf5_that_leads_out_of_the_file(folder, model, kind, tmp_path):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["data"] = np.zeros((220, 8), "f4")
    path = hugging_face.write_weights(folder, model, "h5")
    name = "transformer/tfgpt2lm_head_model/transformer/wte/embeddings:0"
    with h5py.File(path, "a") as file:
        del file[name]
        if kind == "external link":
            file[name] = h5py.ExternalLink(str(secret), "/data")
        elif kind == "soft link":
            file[name] = h5py.SoftLink("/transformer")
        elif kind == "external data":
            file.create_dataset(name, (220, 8), "f4", external=[(str(secret), 0, 220 * 8 * 4)])
        elif kind == "virtual":
            virtual = h5py.VirtualLayout((220, 8), "f4")
            virtual[:] = h5py.VirtualSource(str(secret), "data", (220, 8))
            file.create_virtual_dataset(name, virtual)
        else:
            file["loop/" * 40 + "end"] = np.zeros(3, "f4")
    assert_refused(folder, "refused, .*(is a link|lies outside the file|nested too deeply)")


@pytest.mark.parametrize("layout", hugging_face.FORMATS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers(folder, model, layout, value):
    import copy

    broken = copy.deepcopy(model)
    with torch.no_grad():
        broken.transformer.h[0].mlp.c_fc.weight[3, 3] = value
    hugging_face.write_weights(folder, broken, layout)
    assert_refused(folder, r"h\.0\.mlp\.c_fc\.weight holds NaN or infinity")


@pytest.mark.parametrize("layout", hugging_face.FORMATS)
def test_missing_surplus_and_misshapen_tensors(folder, layout):
    vocabulary = len((folder / "vocab.txt").read_text("utf-8").splitlines())
    for changes, words in (
        ({"n_layer": 2}, r"h\.1\.\S+, h\.1\.\S+, h\.1\.\S+ and 9 more are too many"),
        ({"n_positions": 17}, "wpe.weight is 17 x 8, the config asks for 16 x 8"),
        ({"n_inner": 9}, r"h\.0\.mlp\.c_fc\.weight is 8 x 9, the config asks for 8 x 32"),
    ):
        shape = {"n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 16, **changes}
        hugging_face.write_weights(folder, hugging_face.random_model(vocabulary, **shape), layout)
        assert_refused(folder, words)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "n_layer": 2}))
    hugging_face.write_weights(
        folder, hugging_face.random_model(vocabulary, n_embd=8, n_layer=1, n_head=2, n_positions=16), layout
    )
    assert_refused(folder, r"h\.1\.ln_1\.weight, .* and 9 more are missing")


@pytest.mark.parametrize(
    "text", ["[1, 2]", "null", '"gpt2"', "{", "", "\x00", '{"model_type": ["gpt2"]}', "[" * 100_000, '{"a": NaN}']
)
def test_a_config_that_is_none(folder, model, text):
    hugging_face.write_weights(folder, model, "bin")
    (folder / "config.json").write_text(text)
    assert_refused(folder, "config.json")


@pytest.mark.parametrize("name", ["../model/secret.bin", "/etc/passwd", "a/b.bin", "..", "a\\b.bin", "", 5])
def test_an_index_that_leads_out_of_the_folder(folder, model, name):
    hugging_face.write_weights(folder, model, "bin")
    hugging_face.shard(folder)
    index = folder / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": {"transformer.wte.weight": name}}))
    assert_refused(folder, "not a plain file name|not an index of weights|is missing")


@pytest.mark.slow
@pytest.mark.parametrize("layout", hugging_face.FORMATS)
def test_fuzz(folder, model, layout, monkeypatch):
    """Valid files with bytes changed, cut out and doubled: whatever comes of it is a result or one clear error."""
    # A process for each damaged tree would take minutes: what crashes is in test_bounds and benchmarks/parity/fuzz.py.
    monkeypatch.setattr("kgpt2.checkpoints.formats.hdf5_probe._fells_its_reader", lambda path: False)
    path = hugging_face.write_weights(folder, model, layout)
    data = path.read_bytes()
    dice = random.Random(0)
    refused = unclear = 0
    for _ in range(400):
        mutant = bytearray(data)
        # The descriptions lie at the two ends of these files, so that is where most of the dice fall.
        reach = dice.choice([200, 2000, len(data)])
        for _ in range(dice.choice([1, 1, 3, 20])):
            place = dice.choice([dice.randrange(min(reach, len(mutant))), -1 - dice.randrange(min(reach, len(mutant)))])
            kind = dice.random()
            if kind < 0.7:
                mutant[place] = dice.choice([dice.randrange(256), 0, 0xFF, mutant[place] ^ (1 << dice.randrange(8))])
            elif kind < 0.85:
                del mutant[place : place + dice.randrange(1, 40)]
            else:
                mutant[place:place] = mutant[place : place + dice.randrange(1, 40)]
        path.write_bytes(mutant)
        out = folder.parent / "out"
        try:
            convert(read_model(str(folder)), out, "transformers")
        except RequestError as error:
            refused += str(folder) in str(error) and not out.exists()
            unclear += str(folder) not in str(error)
        else:
            shutil.rmtree(out)
        assert sorted(entry.name for entry in folder.parent.iterdir()) == ["model"]
    assert refused > 100
    assert not unclear


def places(value, path=()):
    """Every place in a JSON document, as the keys that lead to it."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def replaced(document, path, value):
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = replaced(document[path[0]], path[1:], value)
    return copy


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "bpe"])
def test_fuzz_of_json(tmp_path, family):
    """Any value of any description replaced by one of another kind: a checkpoint or one clear error."""
    from transformers import AutoTokenizer

    folder = tmp_path / "model"
    vocabulary = hugging_face.write_tokenizer(folder, family)
    model = hugging_face.random_model(len(vocabulary) + 1, n_embd=8, n_layer=1, n_head=2, n_positions=16)
    hugging_face.write_config(folder, model)
    hugging_face.write_weights(folder, model, "safetensors")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["新词"])
    for name in ("vocab.txt", "vocab.json", "merges.txt"):
        (folder / name).unlink(missing_ok=True)
    tokenizer.save_pretrained(folder)
    config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    listed = {
        str(i): {"content": token, "special": True} for i, token in enumerate(["[PAD]" if family == "bert" else "!"])
    }
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "added_tokens_decoder": listed}), "utf-8")
    read_model(str(folder))
    unclear = []
    for name in ("config.json", "tokenizer_config.json", "tokenizer.json"):
        path = folder / name
        document = json.loads(path.read_text("utf-8"))
        everywhere = list(places(document))
        dice = random.Random(0)
        chosen = (
            everywhere if len(everywhere) < 60 else [p for p in everywhere if "vocab" not in p and "merges" not in p]
        )
        for place in [*chosen, *dice.choices(everywhere, k=20)]:
            for value in (None, [], {}, "x", -1, 1e99, True, [[]], {"a": []}):
                path.write_text(json.dumps(replaced(document, place, value)), "utf-8")
                try:
                    read_model(str(folder))
                except RequestError as error:
                    if str(folder) not in str(error):
                        unclear.append((name, place, value, str(error)))
                except Exception as error:
                    unclear.append((name, place, value, repr(error)))
        path.write_text(json.dumps(document), "utf-8")
    assert not unclear, unclear[:5]
