import json

import pytest

from kgpt2.data.example import Report
from kgpt2.data.sources import Options, open_source
from kgpt2.data.token_cache import counted_tokenizer, tokenise
from kgpt2.errors import RequestError
from kgpt2.verse.genres import MARKS

SPRING = [
    "國破山河在，城春草木深。",
    "感時花濺淚，恨別鳥驚心。",
    "烽火連三月，家書抵萬金。",
    "白頭搔更短，渾欲不勝簪。",
]
DREAM = ["常記溪亭日暮，沉醉不知歸路。", "興盡晚回舟，誤入藕花深處。", "爭渡，爭渡，驚起一灘鷗鷺。"]


@pytest.fixture
def collection(tmp_path):
    def write(name, **row):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps([{"author": "佚名", "title": "無題", **row}], ensure_ascii=False), "utf-8")

    write("全唐诗/poet.tang.0.json", paragraphs=SPRING)
    write(
        "全唐诗/poet.song.0.json", paragraphs=["山外青山樓外樓，西湖歌舞幾時休。", "暖風熏得游人醉，直把杭州作汴州。"]
    )
    write("宋词/ci.song.0.json", paragraphs=DREAM, rhythmic="如梦令")
    return tmp_path


def read(spec, path, script=None):
    source = open_source(spec, Options(path=str(path), script=script))
    return source, list(source.read(Report()))


def test_every_text_has_its_genre(collection, monkeypatch):
    monkeypatch.setattr("kgpt2.data.genres._UNMARKED", 10**9)
    _, examples = read("verse", collection, "simplified")
    assert [example.prompt for example in examples] == ["[五律]", "[七绝]", "[词]", "[对联]", "[对联]"]
    assert [example.text for example in examples[3:]] == ["感时花溅泪-恨别鸟惊心", "烽火连三月-家书抵万金"]
    assert examples[3].group == examples[4].group == examples[0].group != examples[1].group
    assert [example.prompt for example in read("verse/ci", collection)[1]] == ["[词]"]


def test_some_go_without(collection, monkeypatch):
    monkeypatch.setattr("kgpt2.data.genres._UNMARKED", 1)
    assert {example.prompt for example in read("verse", collection)[1]} == {""}


def test_marks_are_tokens_and_are_not_learned(collection, monkeypatch, tmp_path):
    monkeypatch.setenv("KGPT2_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("kgpt2.data.genres._UNMARKED", 10**9)
    source, _ = read("verse:train", collection)
    whole, _ = read("verse", collection)
    assert source.marks == whole.marks == MARKS, "a part and a script keep them"
    codec = counted_tokenizer([whole])
    assert codec.vocabulary[5 : 5 + len(MARKS)] == list(MARKS)
    assert "[" not in codec.token_to_id
    assert "绝" not in codec.token_to_id, "it stands in marks alone"
    assert set(codec.default_bans) >= {codec.token_to_id[mark] for mark in MARKS}
    table = tokenise(whole, codec, strict=True).table
    starts = [0, *table.ends[:-1]]
    assert [codec.vocabulary[table.ids[start + 1]] for start in starts] == [
        "[五律]",
        "[七绝]",
        "[词]",
        "[对联]",
        "[对联]",
    ]
    rare = counted_tokenizer([whole], least=3)
    assert len(codec.vocabulary) > len(rare.vocabulary) > 5 + len(MARKS)


def test_an_unknown_part(collection):
    with pytest.raises(RequestError, match="verse/yuan"):
        read("verse/yuan", collection)
