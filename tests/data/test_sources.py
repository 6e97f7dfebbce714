import pytest

from kgpt2.assets import SAMPLES
from kgpt2.data.example import Report
from kgpt2.data.poetry import download
from kgpt2.data.sources import Options, inline, open_source
from kgpt2.errors import RequestError, WorkError


def texts(spec, **options):
    return [example.text for example in open_source(spec, Options(**options)).read(Report())]


def test_samples_hold_what_they_promise():
    tang = texts("samples/tang")
    assert len(tang) >= 80
    for poem in tang:
        lines = poem.replace("，", "|").replace("。", "|").replace("？", "|").replace("！", "|").strip("|").split("|")
        assert len(lines) in (4, 8), poem
        assert {len(line) for line in lines} in ({5}, {7}), poem
    couplets = texts("samples/couplets")
    assert len(couplets) >= 80
    for couplet in couplets:
        first, second = couplet.split("-")
        assert [c == "，" for c in first] == [c == "，" for c in second], couplet
    assert len(texts("samples/tifu")) >= 60
    for name in SAMPLES:
        every = texts(f"samples/{name}")
        assert len(set(every)) == len(every)
    assert texts("samples/tifu", text="title")[0].startswith("tifu")


@pytest.mark.parametrize(
    ("spec", "options", "words"),
    [
        ("chinese_poetri/tang", {}, "did you mean chinese_poetry"),
        ("samples/song", {}, "samples/tang, samples/couplets, samples/tifu"),
        ("a.txt", {"path": "x"}, "is for named sources"),
        ("couplets", {}, "say where they lie"),
        ("couplets/modern", {}, "couplets/verse"),
        ("chinese_poetry/tang:dev", {}, "'dev' is no split; there are train, validation, test"),
        ("reddit_tifu/huge", {}, "there is no such part"),
    ],
)
def test_names_that_are_none(spec, options, words):
    with pytest.raises(RequestError, match=words):
        open_source(spec, Options(**options))


def test_poems_are_downloaded_where_no_folder_is_given(monkeypatch, poetry, tmp_path):
    monkeypatch.setattr("kgpt2.data.sources.fetch", lambda part: poetry)
    assert len(texts("chinese_poetry/tang")) > 20
    monkeypatch.undo()
    monkeypatch.setenv("KGPT2_CACHE", str(tmp_path))
    monkeypatch.setattr(download.urllib.request, "urlopen", lambda *_, **__: (_ for _ in ()).throw(OSError("offline")))
    with pytest.raises(WorkError, match=r"offline.*\n.*--path FOLDER"):
        open_source("chinese_poetry/tang")


def test_poems_come_in_the_script_asked_for_and_no_more_than_asked_for(poetry):
    path = str(poetry)
    assert any("風" in text for text in texts("chinese_poetry/tang", path=path))
    simplified = texts("chinese_poetry", path=path, script="simplified", limit=7)
    assert len(simplified) == 7
    assert not any("風" in text for text in simplified)
    assert any("风" in text for text in simplified)
    traditional = texts("chinese_poetry/tang", path=path, script="traditional", limit=7)
    assert traditional == texts("chinese_poetry/tang", path=path)[:7], (
        "they are traditional: nothing is to be converted"
    )


def test_files_and_texts_are_converted_too(tmp_path):
    (tmp_path / "a.csv").write_text("q,text\n問,風\n", "utf-8")
    (example,) = open_source(str(tmp_path / "a.csv"), Options(prompt="q", script="simplified")).read(Report())
    assert (example.prompt, example.text) == ("问", "风")
    assert [example.text for example in inline(["a", "b"]).read(Report())] == ["a", "b"]
    assert inline(["a"]).identity() != inline(["b"]).identity()


def test_a_named_source_stands_alone():
    with pytest.raises(RequestError, match="samples/tang: a named source stands alone"):
        open_source(["samples/tang", "samples/couplets"])


def test_couplets_have_splits_of_their_own_where_their_folder_has(tmp_path):
    for folder, sides in (("train", ("春风", "秋雨")), ("test", ("山高", "水远"))):
        (tmp_path / folder).mkdir()
        for name, side in zip(("in.txt", "out.txt"), sides, strict=True):
            (tmp_path / folder / name).write_text(" ".join(side), "utf-8")
    assert texts("couplets", path=str(tmp_path)) == ["春风-秋雨", "山高-水远"]
    assert texts("couplets:test", path=str(tmp_path)) == ["山高-水远"]
    with pytest.raises(RequestError, match="has train and test and no validation"):
        texts("couplets:validation", path=str(tmp_path))
