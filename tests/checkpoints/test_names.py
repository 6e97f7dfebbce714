import shutil
import time

import pytest

from kgpt2 import online
from kgpt2.checkpoints.kaggle import KERASHUB_PRESETS, PRESET_FILES
from kgpt2.checkpoints.names import read_model
from kgpt2.errors import RequestError, WorkError


def fill_kaggle_cache(root, marks=True):
    """kagglehub's layout, as version 0.3 and later write it: the files, and a marker for each."""
    folder = root / "models/keras/gpt2/keras/gpt2_base_en/3"
    for name in PRESET_FILES:
        for path in [folder / name] + [folder.parent / ".complete/3" / f"{name}.complete"] * marks:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}")
    return folder


def test_the_preset_table_is_kerashubs():
    import keras_hub

    import kgpt2.models  # noqa: F401

    theirs = keras_hub.models.GPT2Backbone.presets
    ours = {name: (f"kaggle://{preset.handle}", preset.parameters) for name, preset in KERASHUB_PRESETS.items()}
    assert ours == {name: (info["kaggle_handle"], info["metadata"]["params"]) for name, info in theirs.items()}


def test_a_cached_preset_needs_no_network(tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    monkeypatch.setattr(online, "reachable", lambda *_: pytest.fail("looked for the network"))
    folder = fill_kaggle_cache(tmp_path)
    assert KERASHUB_PRESETS["gpt2_base_en"].fetch() == folder
    shutil.rmtree(folder.parent / ".complete")
    (folder.parent / "3.complete").write_text("")
    assert not KERASHUB_PRESETS["gpt2_base_en"].is_cached(), "that is no marker of kagglehub"
    (folder.parent / ".complete").mkdir()
    (folder.parent / ".complete/3.complete").write_text("")
    assert KERASHUB_PRESETS["gpt2_base_en"].fetch() == folder


def test_a_download_that_was_cut_off_does_not_count(tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    fill_kaggle_cache(tmp_path, marks=False)
    assert not KERASHUB_PRESETS["gpt2_base_en"].is_cached()


def test_without_network_and_cache_it_fails_at_once_and_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    monkeypatch.setattr(online.urllib.request, "getproxies", dict)
    monkeypatch.setattr(online.socket, "create_connection", lambda *_, **__: (_ for _ in ()).throw(OSError("offline")))
    began = time.perf_counter()
    with pytest.raises(WorkError, match=r"copy .* from a machine that has it") as error:
        read_model("gpt2_base_en")
    assert time.perf_counter() - began < 1
    assert str(tmp_path) in str(error.value)
    assert len(str(error.value).splitlines()) == 2


def test_a_failed_download_is_one_line_of_reason(tmp_path, monkeypatch):
    kagglehub = pytest.importorskip("kagglehub")
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    monkeypatch.setattr(online, "reachable", lambda *_: True)

    def fail(handle):
        raise ConnectionError("reset by peer\nand much more")

    monkeypatch.setattr(kagglehub, "model_download", fail)
    with pytest.raises(WorkError, match=r"the download failed \(reset by peer\)"):
        read_model("gpt2_base_en")


def test_a_cache_that_was_copied_is_one(tmp_path, monkeypatch):
    """As the message says that comes without a network: the model's folder, kagglehub's marks in it."""
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "here"))
    monkeypatch.setattr(online, "reachable", lambda host, port=443: False)
    monkeypatch.setattr(online.urllib.request, "getproxies", dict)
    with pytest.raises(WorkError, match=r"or take hf://openai-community/gpt2,") as caught:
        read_model("gpt2_base_en")
    copied = str(caught.value).partition("copy ")[2].partition(" from a machine")[0]
    there = fill_kaggle_cache(tmp_path / "there").parent
    shutil.copytree(there, copied)
    assert KERASHUB_PRESETS["gpt2_base_en"].is_cached()


def test_hugging_face_cache(tmp_path, monkeypatch, chinese_preset):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    repository = tmp_path / "hub/models--someone--poems"
    snapshot = repository / "snapshots/abc123"
    shutil.copytree(chinese_preset, snapshot)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("abc123")
    assert read_model("hf://someone/poems").folder == snapshot
    assert read_model("hf://someone/poems@abc123").folder == snapshot
    with pytest.raises(WorkError, match="not in the local cache"):
        read_model("hf://someone/else")
    for bad in ("hf://poems", "hf://../x", "hf://a/b/c"):
        with pytest.raises(RequestError, match="hf://ORGANISATION/NAME"):
            read_model(bad)


def test_folders(tmp_path, chinese_preset):
    assert read_model(str(chinese_preset)).folder == chinese_preset
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text("")
    with pytest.raises(RequestError, match="has saved no model yet"):
        read_model(str(run))
    shutil.copytree(chinese_preset, run / "preset")
    assert read_model(str(run)).folder == run / "preset"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "neither a folder that exists nor a known name"),
        (lambda path: path.write_text("x"), "this is a file"),
        (lambda path: path.mkdir(), "no model in this folder"),
        (lambda path: (path.mkdir(), (path / "config.json").write_text("[1]")), "not the configuration of a model"),
        (lambda path: (path.mkdir(), (path / "config.json").write_text('{"model_type": "gpt2"}')), "no tokenizer"),
    ],
)
def test_what_is_no_model(tmp_path, make, words):
    path = tmp_path / "thing"
    make(path)
    with pytest.raises(RequestError, match=words):
        read_model(str(path))


def test_a_slip_of_the_keyboard_gets_a_hint():
    with pytest.raises(RequestError, match="did you mean gpt2_medium_en"):
        read_model("gpt2_medum_en")
