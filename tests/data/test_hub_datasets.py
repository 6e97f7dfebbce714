"""Datasets from a server that speaks the hub's protocol, through huggingface_hub."""

import json
import shutil

import huggingface_hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kgpt2.config.recipes import dump_config, load_config
from kgpt2.data.example import Report
from kgpt2.data.hub_datasets import dataset_of, is_the_same
from kgpt2.data.hub_splits import files_of
from kgpt2.data.sources import Options, open_source
from kgpt2.errors import RequestError, WorkError
from kgpt2.training.folder import require_the_same
from kgpt2.training.prepare import prepare
from tests.hub import COMMIT, Hub
from tests.training.conftest import BASE

pytestmark = pytest.mark.timeout(60)
SPEC = "hf://datasets/someone/poems"
PINNED = f"{SPEC}@{COMMIT}"
TRAIN = ["白日依山尽", "黄河入海流", "欲穷千里目"]
TEST = ["更上一层楼"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "repository/data").mkdir(parents=True)
    for name, texts in {
        "train-00000-of-00002": TRAIN[:2],
        "train-00001-of-00002": TRAIN[2:],
        "test-00000-of-00001": TEST,
    }.items():
        pq.write_table(pa.table({"text": texts}), tmp_path / f"repository/data/{name}.parquet")
    (tmp_path / "repository/README.md").write_text("---\nlicense: mit\n---\n# Poems\n", "utf-8")
    (tmp_path / "repository/poems.py").write_text("raise SystemExit('a script of a dataset was run')\n")
    return tmp_path / "repository"


@pytest.fixture
def hub(folder, tmp_path, monkeypatch):
    hub = Hub(folder, "datasets", "someone/poems", others=("../../escape.parquet", "data/.hidden/train.parquet"))
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub_cache"))
    monkeypatch.setenv("KGPT2_CACHE", str(tmp_path / "kgpt2_cache"))
    for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    yield hub
    hub.close()


def read(spec=SPEC, **options):
    source = open_source(spec, Options(**options))
    return [example.text for example in source.read(Report(strict=True))], source.spec


def test_a_split_comes_alone_once_and_with_its_commit(hub):
    assert read() == (TRAIN, f"{PINNED}:train")
    assert sorted(hub.downloaded()) == ["README.md", *(f"data/train-0000{one}-of-00002.parquet" for one in (0, 1))]
    before = len(hub.requests)
    assert read(f"{SPEC}:train") == (TRAIN, f"{PINNED}:train")
    assert read(f"{PINNED}:train", limit=1) == (TRAIN[:1], f"{PINNED}:train")
    assert len(hub.requests) == before, "the cache answers without the network"
    assert read(f"{SPEC}:test") == (TEST, f"{PINNED}:test")
    assert hub.downloaded()[3:] == ["data/test-00000-of-00001.parquet"]


def test_columns_templates_and_kinds_of_files(hub, folder):
    shutil.rmtree(folder / "data")
    (folder / "train.jsonl").write_text(
        json.dumps({"题": "登鹳雀楼", "诗": TRAIN[0]}, ensure_ascii=False) + "\n", "utf-8"
    )
    (folder / "train.csv").write_text("题,诗\nx,y\n", "utf-8")
    (folder / "LICENSE.txt").write_text("MIT\n")
    assert read(text="{题}：{诗}")[0] == [f"登鹳雀楼：{TRAIN[0]}"]
    assert set(hub.downloaded()) == {"README.md", "train.jsonl"}
    assert read(f"{SPEC}/train.csv", text="诗") == (["y"], f"{PINNED}/train.csv:train")


def test_a_repository_without_splits_is_split_by_what_the_examples_say(hub, folder):
    shutil.rmtree(folder / "data")
    lines = [f"{number}番风雨" for number in range(200)]
    (folder / "all.txt").write_text("\n".join(lines), "utf-8")
    assert read() == (lines, PINNED)
    parts = [read(f"{SPEC}:{part}") for part in ("train", "validation", "test")]
    assert sorted(text for texts, _ in parts for text in texts) == sorted(lines)
    assert [spec for _, spec in parts] == [f"{PINNED}:{part}" for part in ("train", "validation", "test")]
    with pytest.raises(RequestError, match="there is no such split"):
        read(f"{SPEC}:best")


def test_offline(hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WorkError, match="HF_HUB_OFFLINE is set") as error:
        read()
    assert len(str(error.value).splitlines()) == 2
    assert not hub.requests
    monkeypatch.delenv("HF_HUB_OFFLINE")
    read()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert read() == (TRAIN, f"{PINNED}:train")
    with pytest.raises(WorkError, match="not whole in the local cache"):
        read(f"{SPEC}:test")  # which is known to be there, and was never downloaded


def test_what_another_tool_has_downloaded_serves_offline(hub, tmp_path, monkeypatch):
    place = {"repo_type": "dataset", "cache_dir": tmp_path / "hub_cache/hub", "endpoint": hub.address}
    for name in hub.files()[:-2]:
        huggingface_hub.hf_hub_download("someone/poems", name, **place)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert read() == (TRAIN, f"{PINNED}:train")
    assert read(f"{SPEC}:test") == (TEST, f"{PINNED}:test")


def test_half_a_download_is_never_taken_for_a_whole_one(hub, monkeypatch):
    hub.others = (*hub.others, "data/train-00002-of-00003.parquet")  # listed, and then not there
    with pytest.raises(WorkError, match="transfer failed"):
        read()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WorkError, match="not whole in the local cache"):
        read()


def test_a_pinned_revision_stays_when_the_repository_goes_on(hub, folder):
    first = read()
    hub.commit = "b" * 40
    pq.write_table(pa.table({"text": TEST}), folder / "data/train-00000-of-00002.parquet")
    assert read() == first
    assert read(f"{SPEC}@{hub.commit}:train") == ([*TEST, TRAIN[2]], f"{SPEC}@{hub.commit}:train")


def test_private_ones_by_token_which_is_never_told(hub, monkeypatch):
    hub.token = "hf_secret"
    with pytest.raises(RequestError, match="no such repository"):
        read()
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(RequestError) as error:
        read()
    assert "hf_wrong" not in str(error.value)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert read()[0] == TRAIN


def test_no_script_is_run_for_data(hub, folder):
    shutil.rmtree(folder / "data")
    with pytest.raises(RequestError, match="no script is run") as error:
        read()
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("hf://datasets/someone/nothing", "has no such repository"),
        (f"{SPEC}@other", "has no such revision"),
        (f"{SPEC}:validation", "no split 'validation'; there is 'test', 'train'"),
        (f"{SPEC}/elsewhere", "the repository has no 'elsewhere'"),
        ("hf://someone/poems", "write hf://datasets/ORGANISATION/NAME"),
        ("hf://datasets/poems", "write hf://datasets/ORGANISATION/NAME"),
        ("hf://datasets/../poems", "write hf://datasets/ORGANISATION/NAME"),
        (f"{SPEC}@../..", "write hf://datasets/ORGANISATION/NAME"),
        (f"{SPEC}/a/../../b", "write hf://datasets/ORGANISATION/NAME"),
    ],
)
def test_what_is_not_there_is_refused(hub, spec, words):
    with pytest.raises(RequestError) as error:
        read(spec)
    assert words in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_options_that_have_no_meaning_there(hub):
    with pytest.raises(RequestError, match=r"data\.path"):
        read(path="somewhere")
    with pytest.raises(RequestError, match="a named source stands alone"):
        open_source([SPEC, "a.txt"])
    assert not hub.requests


CONFIGS = """---
configs:
- config_name: a
  data_files:
  - {{split: train, path: "a/*.csv"}}
  - {{split: best_of, path: ["best/**", "more/b?st.csv"]}}
{more}---
# Poems
"""
OTHER = "- config_name: b\n  data_files: b.csv\n  {}\n"
NAMES = [
    "a/one.csv",
    "a/two.csv",
    "a/deep/no.csv",
    "b.csv",
    "best/x/y.csv",
    "more/best.csv",
    "more/boost.csv",
    "x.parquet",
]


@pytest.mark.parametrize(
    ("names", "card", "path", "split", "wanted"),
    [
        (NAMES, CONFIGS.format(more=""), "", "", (["a/one.csv", "a/two.csv"], "train")),
        (NAMES, CONFIGS.format(more=""), "", "best_of", (["best/x/y.csv", "more/best.csv"], "best_of")),
        (NAMES, CONFIGS.format(more=OTHER.format("default: true")), "", "", (["b.csv"], "train")),
        (NAMES, CONFIGS.format(more=OTHER.format("x: 1")), "a/deep", "", (["a/deep/no.csv"], "")),
        (NAMES, "---\nconfigs: [{config_name: c, data_dir: a}]\n---\n", "", "", ([*sorted(NAMES[:3])], "")),
        (NAMES, "---\nconfigs: {broken\n---\n", "", "", (["x.parquet"], "")),
        (["train/a.csv", "valid/a.csv"], "", "", "validation", (["valid/a.csv"], "validation")),
        (["my_dev_set.csv", "training.csv"], "", "", "", (["training.csv"], "train")),
        (
            ["data/train_sft-00000-of-00001.parquet"],
            "",
            "",
            "train_sft",
            (["data/train_sft-00000-of-00001.parquet"], "train_sft"),
        ),
        (["en/train.json.gz", "fr/train.json.gz", "dataset_infos.json"], "", "fr", "", (["fr/train.json.gz"], "train")),
        (["attest.csv"], "", "", "", (["attest.csv"], "")),
    ],
)
def test_which_files_make_a_split(names, card, path, split, wanted):
    assert files_of(names, card, path, split, "here") == wanted


@pytest.mark.parametrize(
    ("names", "card", "words"),
    [
        (NAMES, CONFIGS.format(more=OTHER.format("x: 1")), "the parts 'a', 'b'"),
        (["dev.csv", "test.csv"], "", "which split?; there is 'test', 'validation'"),
        (["README.md", "a.bin"], "", "no file that kgpt2 reads"),
    ],
)
def test_what_leaves_the_files_open_is_refused(names, card, words):
    with pytest.raises(RequestError) as error:
        files_of(names, card, "", "", "here")
    assert words in str(error.value)


def test_a_run_that_goes_on_may_leave_its_commit_out():
    assert is_the_same(f"{PINNED}:train", SPEC)
    assert is_the_same(f"{PINNED}:train", f"{SPEC}@main:train")
    assert not is_the_same(f"{PINNED}:train", f"{SPEC}@{'b' * 40}")
    assert not is_the_same(f"{PINNED}:train", f"{SPEC}:test")
    assert not is_the_same("samples/tang", SPEC)
    assert str(dataset_of(f"{SPEC}@refs/convert/parquet/default:test")) == f"{SPEC}@refs/convert/parquet/default:test"


def test_a_run_records_the_commit_and_goes_on_without_it(hub, tmp_path):
    (tmp_path / "run.yaml").write_text(BASE, "utf-8")
    changes = [f"data.source={SPEC}", f"data.validation={SPEC}:test", "data.limit=null", "sample.prompts=[]"]
    config = load_config(tmp_path / "run.yaml", changes)
    plan = prepare(config)
    assert plan.notes[0].startswith(f"{PINNED}:train: 3 examples to learn from, 1 held out")
    (tmp_path / "config.yaml").write_text(dump_config(plan.config), "utf-8")
    recorded = load_config(tmp_path / "config.yaml")
    assert (recorded.data.source, recorded.data.validation) == (f"{PINNED}:train", f"{PINNED}:test")
    require_the_same(tmp_path, recorded, config)
    other = load_config(tmp_path / "run.yaml", [*changes, f"data.source={SPEC}@{'b' * 40}"])
    with pytest.raises(RequestError, match=r"data\.source"):
        require_the_same(tmp_path, recorded, other)
