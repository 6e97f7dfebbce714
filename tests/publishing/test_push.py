"""Uploads to servers in this process that speak the protocols of the Hugging Face hub and of Kaggle."""

import base64
import http.server
import json
import shutil
import threading

import pytest
import yaml

from kgpt2.checkpoints.names import read_model
from kgpt2.conversion.convert import convert
from tests.hub import COMMIT, Hub

pytestmark = pytest.mark.timeout(60)
HF, KAGGLE = "hf://someone/spring", "kaggle://someone/spring/keras/small"
TOKEN = "hf_topsecret"
CONFIG = """\
model: {preset: "hf://uer/gpt2-chinese-poem", sequence_length: 32}
data: {source: "hf://datasets/someone/poems@COMMIT:train", validation: 0.2}
train: {steps: 4}
sample: {prompts: ["白日"]}
""".replace("COMMIT", COMMIT)
SUMMARY = {
    "steps": 4,
    "kept_step": 2,
    "tokens": 1234,
    "parameters": 5678,
    "trainable_parameters": 5678,
    "train": {"loss": 3.25, "accuracy": 0.25, "perplexity": 25.79},
    "validation": {"loss": 3.5, "accuracy": 0.2, "perplexity": 33.12},
}
SAMPLES = """\
== step 2, validation loss 3.5000 ==

白日依山尽

黄河入海流

== step 4, validation loss 3.6000 ==

欲穷千里目
"""


@pytest.fixture
def run(tmp_path, chinese_preset):
    """A run folder as `fit` leaves it."""
    folder = tmp_path / "runs/spring"
    shutil.copytree(chinese_preset, folder / "preset")
    (folder / "checkpoints/step-4").mkdir(parents=True)
    (folder / "checkpoints/step-4/state.bin").write_bytes(b"state")
    (folder / "config.yaml").write_text(CONFIG, "utf-8")
    (folder / "summary.json").write_text(json.dumps(SUMMARY))
    (folder / "metrics.csv").write_text("step,loss\n2,3.25\n")
    (folder / "samples.txt").write_text(SAMPLES, "utf-8")
    return folder


@pytest.fixture
def hub(tmp_path, monkeypatch):
    (tmp_path / "repository").mkdir()
    hub = Hub(tmp_path / "repository", name="someone/spring")
    hub.token = TOKEN
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub_cache"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    # The hub's newer transfer, Xet, goes to servers of its own.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    yield hub
    hub.close()


def front_of(card):
    return yaml.safe_load(card.split("---\n")[1])


def test_a_run_is_listed_with_its_card_and_nothing_is_asked_of_the_network(kgpt2, hub, run):
    shown = kgpt2("push", run, HF, "--dry-run", "--license", "mit")
    assert shown.status == 0, shown.err
    assert not hub.requests
    result = kgpt2("push", run, HF, "--dry-run", "--license", "mit", "--json")
    report = json.loads(result.out)
    assert report["url"] is None
    wanted = {
        path.relative_to(run / "preset").as_posix(): path for path in (run / "preset").rglob("*") if path.is_file()
    }
    wanted |= {name: run / name for name in ("config.yaml", "metrics.csv", "samples.txt", "summary.json")}
    sizes = {name: path.stat().st_size for name, path in wanted.items()}
    assert report["files"] == sizes | {"README.md": len(report["card"].encode())}
    assert all(name in shown.out for name in sizes)
    assert report["card"].rstrip("\n") in shown.out
    assert front_of(report["card"]) == {
        "license": "mit",
        "language": "zh",
        "library_name": "keras-hub",
        "pipeline_tag": "text-generation",
        "tags": ["gpt2", "kgpt2"],
        "base_model": "uer/gpt2-chinese-poem",
        "datasets": ["someone/poems"],
    }
    for part in (f'kgpt2.load("{HF}")', "| perplexity | 25.79 | 33.12 |", "> 白日依山尽\n\n> 黄河入海流", "of step 2"):
        assert part in report["card"]
    assert "欲穷千里目" not in report["card"], "the samples are of the step that was kept"


def test_what_is_pushed_is_a_model_there(kgpt2, hub, run, chinese_preset, monkeypatch):
    result = kgpt2("push", run, HF, "--private")
    assert result.status == 0, result.err
    assert TOKEN not in result.out + result.err
    assert f"{hub.address}/someone/spring/commit/{COMMIT}" in result.err
    assert (hub.created["name"], hub.created["organization"]) == ("spring", "someone")
    assert hub.created.get("visibility", hub.created.get("private")) in ("private", True)
    weights = (run / "preset/model.weights.h5").read_bytes()
    assert list(hub.stored.values()) == [weights]
    assert (hub.folder / "README.md").read_text("utf-8").startswith("---\nlanguage: zh\n")
    assert not (hub.folder / "checkpoints").exists()
    fetched = read_model(HF)  # as somebody else would
    assert fetched.folder.name == COMMIT
    assert fetched.shape == read_model(str(chinese_preset)).shape


@pytest.mark.parametrize(("to", "library"), [("transformers", "transformers"), ("openvino", "openvino")])
def test_what_convert_writes(kgpt2, hub, chinese_preset, tmp_path, to, library):
    convert(read_model(str(chinese_preset)), tmp_path / "export", to)
    (tmp_path / "export/.secret").write_text("not for others")
    (tmp_path / "export/notes.docx").write_text("not for others")
    result = kgpt2("push", tmp_path / "export", HF)
    assert result.status == 0, result.err
    assert "notes.docx is left out" in result.err
    card = (hub.folder / "README.md").read_text("utf-8")
    assert (front_of(card)["library_name"], front_of(card)["language"]) == (library, "zh")
    compile(card.split("```python\n")[1].split("```")[0], "card", "exec")
    names = {
        path.relative_to(tmp_path / "export").as_posix() for path in (tmp_path / "export").rglob("*") if path.is_file()
    }
    assert set(hub.files()) == names - {".secret", "notes.docx"} | {"README.md"}


def test_a_card_of_the_users_own_stays(kgpt2, hub, run):
    (run / "README.md").write_text("# 我的模型\n", "utf-8")
    assert kgpt2("push", run, HF).status == 0
    assert (hub.folder / "README.md").read_text("utf-8") == "# 我的模型\n"


def test_paths_of_the_authors_machine_stay_there(kgpt2, run, tmp_path):
    config = f"model: {{preset: '{run}'}}\ndata: {{source: '{tmp_path}/secret/poems.txt'}}\n"
    (run / "config.yaml").write_text(config, "utf-8")
    card = json.loads(kgpt2("push", run, HF, "--dry-run", "--json").out)["card"]
    assert str(tmp_path) not in card
    assert "`poems.txt`" in card


def break_pickle(run):
    (run / "preset/extra.bin").write_bytes(b"\x80\x02")


def break_weights(run):
    (run / "preset/model.weights.h5").unlink()


def break_run(run):
    (run / "summary.json").unlink()


def break_model(run):
    shutil.rmtree(run / "preset")


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (break_pickle, "extra.bin may run code where it is opened"),
        (break_weights, "model.weights.h5"),
        (break_run, "the run is not complete (no summary.json)"),
        (break_model, "this run has saved no model yet"),
        (shutil.rmtree, "there is no such folder"),
    ],
)
def test_what_is_no_model_for_others_is_refused(kgpt2, hub, run, broken, words):
    broken(run)
    result = kgpt2("push", run, HF)
    assert result.status == 2
    assert words in result.err
    assert len(result.err.splitlines()) == 1
    assert not hub.requests


@pytest.mark.parametrize(
    ("destination", "words"),
    [
        ("someone/spring", "write hf://ORGANISATION/NAME or kaggle://OWNER/MODEL/FRAMEWORK/VARIATION"),
        ("hf://spring", "write hf://ORGANISATION/NAME"),
        ("hf://someone/../spring", "write hf://ORGANISATION/NAME"),
        ("kaggle://someone/spring", "kaggle://OWNER/MODEL/FRAMEWORK/VARIATION"),
        ("kaggle://someone/spring/pytorch/small", "FRAMEWORK is keras"),
    ],
)
def test_what_is_no_place_is_refused(kgpt2, hub, run, destination, words):
    result = kgpt2("push", run, destination)
    assert result.status == 2
    assert words in result.err
    assert not hub.requests


def test_who_may_not_write_is_told_so(kgpt2, hub, run, monkeypatch):
    hub.refused = 403
    result = kgpt2("push", run, HF)
    assert result.status == 1
    assert "not uploaded" in result.err
    assert TOKEN not in result.err
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    result = kgpt2("push", run, HF)
    assert result.status in (1, 2)
    assert "hf_wrong" not in result.err
    monkeypatch.delenv("HF_TOKEN")
    result = kgpt2("push", run, HF)
    assert (result.status, "nobody is logged in" in result.err) == (1, True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE is set" in kgpt2("push", run, HF).err
    assert not list(hub.folder.iterdir())


class Kaggle(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        method = self.path.rpartition("/")[2]
        self.server.calls.append((method, json.loads(body), self.headers.get("Authorization")))
        if method == "GetModel":
            return self.answer({"code": 404, "message": "no such model"}, 404)
        if method == "StartBlobUpload":
            token = f"token {len(self.server.calls)}"
            return self.answer({"token": token, "createUrl": f"{self.server.address}/blobs/{len(self.server.calls)}"})
        return self.answer({"code": self.server.refused, "message": "not yours"} if self.server.refused else {})

    def do_PUT(self):
        self.server.blobs.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer({})

    def answer(self, content, status=200):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    kaggle_env = pytest.importorskip("kagglesdk.kaggle_env")  # what newer versions of kagglehub speak through
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kaggle)
    server.address, server.calls, server.blobs, server.refused = f"http://127.0.0.1:{server.server_port}", [], [], None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, server.address)
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("KAGGLE_USERNAME", "someone")
    monkeypatch.setenv("KAGGLE_KEY", "topsecret")
    monkeypatch.setattr("kgpt2.publishing.upload.require_reachable", lambda *_: None)
    yield server
    server.shutdown()
    server.server_close()


def test_kaggle(kgpt2, kaggle, run):
    result = kgpt2("push", run, KAGGLE, "--license", "MIT")
    assert result.status == 0, result.err
    assert result.out == ""
    assert "topsecret" not in result.err
    assert "https://www.kaggle.com/models/someone/spring/keras/small" in result.err
    methods = [method for method, _, _ in kaggle.calls]
    assert methods[:2] == ["GetModel", "CreateModel"]
    assert methods[-1] == "CreateModelInstance"
    instance = kaggle.calls[-1][1]
    assert (instance["ownerSlug"], instance["modelSlug"], instance["body"]["instanceSlug"]) == (
        "someone",
        "spring",
        "small",
    )
    assert instance["body"]["licenseName"] == "MIT"
    login = "Basic " + base64.b64encode(b"someone:topsecret").decode()
    assert {header for _, _, header in kaggle.calls} == {login}
    model = [path.read_bytes() for path in (run / "preset").rglob("*") if path.is_file()]
    assert all(content in kaggle.blobs for content in model)
    assert any(blob.startswith(b"---\nlicense: MIT\nlanguage: zh\n") for blob in kaggle.blobs)


def test_kaggle_refuses(kgpt2, kaggle, run):
    kaggle.refused = 403
    result = kgpt2("push", run, KAGGLE)
    assert result.status == 1
    assert result.err.splitlines()[-2].startswith(f"kgpt2: {KAGGLE}: not uploaded, the transfer failed (")
    assert "topsecret" not in result.err
