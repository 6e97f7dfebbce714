import json

import pytest

from kgpt2.assets import SAMPLES
from kgpt2.data.chinese_poetry import clean, poem_files
from kgpt2.data.sources import read_source
from kgpt2.errors import RequestError


def test_poems_come_in_numerical_order_from_either_layout(poetry):
    files = [path.name for path in poem_files(poetry, "tang")]
    assert files == ["poet.tang.0.json", "poet.tang.1000.json"]
    (poetry / "全唐诗/poet.tang.200.json").write_text("[]")
    assert [path.name for path in poem_files(poetry / "全唐诗", "tang")][1] == "poet.tang.200.json"
    (poetry / "dist").mkdir()
    (poetry / "全唐诗").rename(poetry / "dist/quantangshi")
    assert len(poem_files(poetry, "tang")) == 3


def test_poems_are_converted_deduplicated_and_limited(poetry):
    source = read_source("chinese_poetry/tang", path=str(poetry))
    assert len(source.texts) + source.dropped.get("duplicate", 0) == 45
    assert len(set(source.texts)) == len(source.texts)
    assert any("風" in text for text in source.texts)
    simplified = read_source("chinese_poetry/tang", path=str(poetry), script="simplified", limit=7).texts
    assert len(simplified) == 7
    assert not any("風" in text for text in simplified)
    assert any("风" in text for text in simplified)
    assert read_source("chinese_poetry/tang", path=str(poetry), script="traditional", limit=7).texts == source.texts[:7]


@pytest.mark.parametrize(
    ("paragraphs", "poem"),
    [
        (["春眠不覺曉，處處聞啼鳥。", "夜來風雨聲，花落知多少。"], "春眠不覺曉，處處聞啼鳥。夜來風雨聲，花落知多少。"),
        (["細雨（一作「東風（又作西）」）斜，", "來。"], "細雨斜，來。"),
        (["細雨（按：注", "在此。）斜。"], "細雨斜。"),
        (["山〖1〗水。", "〔黄鍾爲宮三奏〕[天]地。"], "山水。天地。"),
        (["山水。。 天地。"], "山水。天地。"),
    ],
)
def test_cleaning(paragraphs, poem):
    assert clean(paragraphs) == (poem, "")


@pytest.mark.parametrize(
    "line", ["山□水。", "山●水。", "{艹/尔}山。", "（山水。", "山ff。", "山\ue000。", "山=水。", ""]
)
def test_what_is_no_verse_is_dropped_with_a_reason(line):
    poem, reason = clean([line])
    assert poem == ""
    assert reason


def test_poetry_mistakes(poetry, tmp_path):
    for path, words in [
        (None, "-o data.path=FOLDER"),
        (str(tmp_path / "none"), "there is no such folder"),
        (str(poetry / "全唐诗/authors.tang.json"), "this is a file"),
        (str(tmp_path), "no files of chinese_poetry/tang here"),
    ]:
        with pytest.raises(RequestError, match=words):
            read_source("chinese_poetry/tang", path=path)
    with pytest.raises(RequestError, match="there are tang, song, ci"):
        read_source("chinese_poetry/ming", path=str(poetry))
    (poetry / "全唐诗/poet.tang.0.json").write_text('[{"paragraphs": "x"}]')
    with pytest.raises(RequestError, match="poem 1 has no paragraphs"):
        read_source("chinese_poetry/tang", path=str(poetry))
    (poetry / "全唐诗/poet.tang.0.json").write_text(json.dumps([{"paragraphs": ["□"]}]))
    (poetry / "全唐诗/poet.tang.1000.json").unlink()
    with pytest.raises(RequestError, match=r"no example is left after cleaning \(1 dropped\)"):
        read_source("chinese_poetry/tang", path=str(poetry))


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
