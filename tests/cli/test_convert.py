import json
import shutil
import types

import pytest

from tests import hugging_face

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A UER-like folder as transformers saved the real ones: vocab.txt and pytorch_model.bin."""
    folder = tmp_path_factory.mktemp("cli") / "uer"
    hugging_face.write_uer_model(folder, 300, "bin", n_embd=24, n_layer=2, n_head=2, n_positions=64)
    return folder


def test_there_and_back(kgpt2, folder, tmp_path):
    result = kgpt2("convert", folder, tmp_path / "keras")
    assert result.status == 0
    assert result.out == ""
    assert "written in" in result.err
    result = kgpt2(
        "convert", tmp_path / "keras", tmp_path / "hf", "--to", "transformers", "--dtype", "bfloat16", "--json"
    )
    report = json.loads(result.out)
    assert set(report) == {"source", "destination", "to", "dtype", "parameters", "bytes", "seconds", "notes"}
    assert (report["to"], report["dtype"]) == ("transformers", "bfloat16")
    assert report["bytes"] == 2 * report["parameters"]


def test_every_form_of_the_model_generates_the_same(kgpt2, folder, tmp_path):
    assert kgpt2("convert", folder, tmp_path / "keras").status == 0
    assert kgpt2("convert", folder, tmp_path / "hf", "--to", "transformers").status == 0
    texts = set()
    for model in (folder, tmp_path / "keras", tmp_path / "hf"):
        options = [
            "--max-length",
            19,
            "--no-repeat-ngram",
            2,
            "--temperature",
            0.7,
            "--k",
            50,
            "--p",
            0.95,
            "--seed",
            1,
        ]
        result = kgpt2("generate", "春满神州花似锦-", "--model", model, *options)
        assert result.status == 0, result.err
        texts.add(result.out)
    assert len(texts) == 1
    assert texts.pop().startswith("春满神州花似锦-")


def test_a_hugging_face_folder_can_be_fine_tuned(kgpt2, folder, tmp_path):
    (tmp_path / "poems.txt").write_text("春满神州花似锦\n白日依山尽\n" * 8, "utf-8")
    (tmp_path / "run.yaml").write_text(
        f"model: {{preset: {json.dumps(str(folder))}, sequence_length: 16}}\n"
        f"data: {{source: {json.dumps(str(tmp_path / 'poems.txt'))}, validation: 0}}\n"
        "train: {steps: 2, batch_size: 4}\n",
        "utf-8",
    )
    result = kgpt2("fit", tmp_path / "run.yaml", "--out", tmp_path / "run")
    assert result.status == 0, result.err
    assert kgpt2("convert", tmp_path / "run", tmp_path / "hf", "--to", "transformers").status == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["MODEL"], "Missing argument 'DST'"),
        (["MODEL", "out", "--to", "onnx"], "'onnx' is not one of"),
        (["MODEL", "out", "--dtype", "int4"], "'int4' is not one of"),
        (["nothing", "out"], "neither a folder that exists nor a known name"),
        (["MODEL", "MODEL"], "exists already"),
        (["MODEL", "out.gguf", "--to", "gguf"], "byte-level BPE only"),
    ],
)
def test_wrong_requests(kgpt2, folder, tmp_path, arguments, words, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = kgpt2("convert", *(str(folder) if argument == "MODEL" else argument for argument in arguments))
    assert result.status == 2
    assert words in result.err
    assert "Traceback" not in result.err
    assert list(tmp_path.iterdir()) == []


def test_notes_reach_the_user(kgpt2, folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "attn_pdrop": 0.0}))
    result = kgpt2("convert", copy, tmp_path / "out")
    assert "note: dropout: KerasHub has one for all" in result.err


def test_the_name_of_the_destination_says_gguf(kgpt2, english_preset, tmp_path):
    report = json.loads(kgpt2("convert", english_preset, tmp_path / "model.GGUF", "--json").out)
    assert report["to"] == "gguf"
    assert (tmp_path / "model.GGUF").is_file()


@pytest.mark.parametrize("to", ["keras", "transformers"])
def test_too_little_room_is_said_before_the_work(kgpt2, folder, tmp_path, monkeypatch, to):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=50_000))
    result = kgpt2("convert", folder, tmp_path / "deep/down/out", "--to", to)
    assert result.status == 1
    assert "have to be written" in result.err
    assert "50.0 kB left" in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("to", ["keras", "transformers"])
def test_a_limit_on_files_is_one_line(process, folder, tmp_path, to):
    program = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
        f"sys.argv = ['kgpt2', 'convert', {str(folder)!r}, {str(tmp_path / 'out')!r}, '--to', {to!r}]\n"
        "from kgpt2.cli.main import main; main()"
    )
    result = process("-c", program)
    assert result.status == 2
    assert len(result.err.splitlines()) == 1
    assert "unexpected" not in result.err
    assert "File too large" in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_polite_kill_leaves_nothing_behind(process, folder, tmp_path):
    program = (
        "import os, signal, sys\n"
        "import kgpt2.conversion.transformers as module\n"
        "module.write_safetensors = lambda *_: os.kill(os.getpid(), signal.SIGTERM)\n"
        f"sys.argv = ['kgpt2', 'convert', {str(folder)!r}, {str(tmp_path / 'out')!r}, '--to', 'transformers']\n"
        "from kgpt2.cli.main import main; main()"
    )
    result = process("-c", program)
    assert (result.status, result.err.strip()) == (1, "kgpt2: interrupted")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_neither_torch_nor_keras_is_imported(process, folder, tmp_path):
    """Reading pytorch_model.bin works where torch is not installed, and converting needs no Keras."""
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('torch', 'tensorflow', 'jax', 'keras', 'keras_hub', 'transformers')))\n"
        f"sys.argv = ['kgpt2', 'convert', {str(folder)!r}, {str(tmp_path / 'out')!r}]\n"
        "from kgpt2.cli.main import main; main()"
    )
    result = process("-c", program)
    assert result.status == 0, result.err
    program = (
        "import sys; sys.modules['torch'] = None\n"
        f"sys.argv = ['kgpt2', 'generate', '春满神州花似锦-', '--model', {str(folder)!r}, '--max-length', '19']\n"
        "from kgpt2.cli.main import main; main()"
    )
    result = process("-c", program)
    assert result.status == 0, result.err
    assert result.out.startswith("春满神州花似锦-")
