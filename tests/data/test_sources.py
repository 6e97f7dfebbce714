import pytest

from kgpt2.assets import SAMPLES
from kgpt2.data.sources import read_source
from kgpt2.errors import RequestError


def test_samples_hold_what_they_promise():
    tang = read_source("samples/tang").texts
    assert len(tang) >= 80
    for text in tang:
        lines = text.replace("，", "|").replace("。", "|").replace("？", "|").replace("！", "|").strip("|").split("|")
        assert len(lines) in (4, 8), text
        assert {len(line) for line in lines} in ({5}, {7}), text
    couplets = read_source("samples/couplets").texts
    assert len(couplets) >= 80
    for couplet in couplets:
        first, second = couplet.split("-")
        assert [c == "，" for c in first] == [c == "，" for c in second], couplet
    assert len(read_source("samples/tifu").texts) >= 60
    for name in SAMPLES:
        texts = read_source(f"samples/{name}").texts
        assert len(set(texts)) == len(texts)
    assert read_source("samples/tifu", text="title").texts[0].startswith("tifu")


def test_names_that_are_none(tmp_path):
    with pytest.raises(RequestError, match="did you mean chinese_poetry"):
        read_source("chinese_poetri/tang")
    with pytest.raises(RequestError, match="samples/tang, samples/couplets, samples/tifu"):
        read_source("samples/song")
    with pytest.raises(RequestError, match="is for named sources"):
        read_source(str(tmp_path / "a.txt"), path="x")
