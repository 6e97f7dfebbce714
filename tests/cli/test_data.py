"""`kgpt2 data` as users type it."""

import json

import pytest

from tests.conftest import ROOT


def test_list_names_every_source(kgpt2):
    result = kgpt2("data", "list")
    assert result.status == 0
    for name in ("samples/tang", "chinese_poetry", "couplets/verse", "reddit_tifu"):
        assert name in result.out
    assert {source["name"] for source in json.loads(kgpt2("data", "list", "--json").out)["sources"]} == {
        *("samples", "chinese_poetry", "couplets", "verse", "reddit_tifu")
    }


def test_show_counts_examples_tokens_and_what_was_dropped(kgpt2, tmp_path, chinese_preset):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "春眠不觉晓"}\n{"text": ""}\n{\n{"text": "龘"}\n', "utf-8")
    report = json.loads(kgpt2("data", "show", path, "--json").out)
    assert report["examples"] == ["春眠不觉晓", "龘"]
    assert report["count"] == 2
    assert report["tokens"] == {"total": 10, "mean": 5.0, "p50": 3, "p95": 7, "max": 7}
    assert report["unknown_fraction"] == 0
    assert report["dropped"] == {"empty": 1, "broken JSON": 1}
    assert report["cleaned"] == {}
    known = json.loads(kgpt2("data", "show", path, "--json", "--model", chinese_preset, "--examples", "1").out)
    assert known["examples"] == ["春眠不觉晓"]
    assert known["unknown_fraction"] == 0.1
    shown = kgpt2("data", "show", path, "--model", chinese_preset)
    for words in ("春眠不觉晓", "2 examples", "10.00% of the tokens are unknown", "1 dropped: broken JSON"):
        assert words in shown.out
    assert "line 3: broken JSON" in shown.err


@pytest.mark.parametrize(
    ("encoding", "told"), [("utf-16", "UTF-16"), ("gb18030", "GB18030"), ("utf-16-be", "UTF-16BE")]
)
def test_a_file_in_another_encoding_is_named_and_read(kgpt2, tmp_path, encoding, told):
    path = tmp_path / "a.csv"
    path.write_bytes("id,text\n1,白日依山尽\n2,黄河入海流\n".encode(encoding))
    refused = kgpt2("data", "show", path, "--json")
    assert (refused.status, refused.out) == (2, "")
    assert f"iconv -f {told} -t UTF-8 a.csv" in refused.err
    for command in ("show", "prepare"):
        result = kgpt2("data", command, path, "--encoding", told.lower(), "--json")
        assert json.loads(result.out)["count"] == 2, result.err
    assert json.loads(kgpt2("data", "show", path, "--encoding", encoding, "--json").out)["examples"] == [
        *("白日依山尽", "黄河入海流")
    ]


def test_what_is_read_in_another_form_is_counted(kgpt2, tmp_path, chinese_preset):
    path = tmp_path / "a.txt"
    path.write_text("[CLS]春眠不觉晓,处处闻啼鸟.[SEP]\n春眠，\n", "utf-8")
    report = json.loads(kgpt2("data", "show", path, "--model", chinese_preset, "--json").out)
    assert report["examples"] == ["春眠不觉晓，处处闻啼鸟。", "春眠，"]
    assert sum(report["cleaned"].values()) == 2
    assert report["unknown_fraction"] == 0
    as_typed = json.loads(kgpt2("data", "show", path, "--model", chinese_preset, "--as-typed", "--json").out)
    assert as_typed["examples"] == path.read_text("utf-8").splitlines()
    assert as_typed["cleaned"] == {}
    assert as_typed["unknown_fraction"] > 0


def test_prepare_fills_the_cache_that_fit_reads(kgpt2, poetry, tmp_path, monkeypatch):
    monkeypatch.setenv("KGPT2_CACHE", str(tmp_path / "cache"))
    result = kgpt2("data", "prepare", "chinese_poetry/tang:train", "--path", poetry, "--json")
    assert result.status == 0, result.err
    report = json.loads(result.out)
    assert report["source"] == "chinese_poetry/tang:train"
    assert report["dropped"] == {}
    assert 30 < report["count"] < 45
    assert "ready" in result.err
    cached = sorted((tmp_path / "cache/tokens").iterdir())
    flags = ["-o", f"data.path={poetry}", "-o", "data.source=chinese_poetry/tang:train", "-o", "data.script=null"]
    assert kgpt2("fit", ROOT / "configs/from_scratch.yaml", *flags, "--dry-run").status == 0
    assert sorted((tmp_path / "cache/tokens").iterdir()) == cached


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "nothing.txt"], "nothing.txt: there is no such data file"),
        (["show", "couplets:dev"], "'dev' is no split"),
        (["show"], "Missing argument"),
        (["prepare", "samples/tang", "--from", "posts.jsonl"], "--from: is for reddit_tifu"),
        (["prepare", "samples/nothing"], "there is no such sample"),
        (["show", "samples/tang", "--encoding", "gbk"], "data.encoding: 'gbk' is for files and couplets"),
        (["show", "a.txt", "--encoding", "martian"], "data.encoding: 'martian' is no encoding"),
    ],
)
def test_mistakes(kgpt2, arguments, words):
    result = kgpt2("data", *arguments)
    assert result.status == 2
    assert words in result.err


@pytest.mark.slow
def test_posts_from_a_file_become_what_the_tutorial_loads(kgpt2, tmp_path):
    posts = ROOT / "kgpt2/assets/samples/tifu.jsonl"
    result = kgpt2("data", "prepare", "reddit_tifu", "--from", posts, "--path", tmp_path, "--json")
    assert result.status == 0, result.err
    assert json.loads(result.out)["folder"] == str(tmp_path / "reddit_tifu/short/1.1.2")
    shown = json.loads(kgpt2("data", "show", "reddit_tifu", "--path", tmp_path, "--json").out)
    assert shown["count"] == 64
    again = kgpt2("data", "prepare", "reddit_tifu", "--from", posts, "--path", tmp_path)
    assert again.status == 2


def test_the_smallest_recipe_learns_its_sentence(kgpt2, tmp_path):
    run = tmp_path / "run"
    assert kgpt2("fit", ROOT / "configs/smallest.yaml", "--out", run).status == 0
    written = kgpt2("generate", "床前", "--model", run, "--sampler", "greedy")
    assert written.out.strip() == "床前明月光，疑是地上霜。举头望明月，低头思故乡。"
