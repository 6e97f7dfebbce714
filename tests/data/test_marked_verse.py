import json

import pytest

from kgpt2.data.example import Report
from kgpt2.data.marked_verse import _title
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


@pytest.fixture
def only(monkeypatch):
    """Says how many of a hundred get a title and keywords, and which have no mark."""

    def set_to(titled=0, keywords=0, bare=0, unmarked=10**9):
        values = {"TITLED": titled, "WITH_KEYWORDS": keywords, "WITHOUT_GENRE": bare, "UNMARKED": unmarked}
        for name, value in values.items():
            monkeypatch.setattr(f"kgpt2.data.marked_verse._{name}", value)

    return set_to


def test_every_text_has_its_genre(collection, only):
    only()
    _, examples = read("verse", collection, "simplified")
    assert [example.prompt for example in examples] == ["[五律]", "[七绝]", "[词]", "[对联]", "[对联]"]
    assert [example.text for example in examples[3:]] == ["感时花溅泪-恨别鸟惊心", "烽火连三月-家书抵万金"]
    assert examples[3].group == examples[4].group == examples[0].group != examples[1].group
    assert [example.prompt for example in read("verse/ci", collection)[1]] == ["[词]"]


def test_some_go_without(collection, only):
    only(titled=100, keywords=100, unmarked=1)
    assert {example.prompt for example in read("verse", collection)[1]} == {""}


def test_titles_and_the_names_of_tunes(collection, only):
    only(titled=100)
    _, examples = read("verse", collection, "simplified")
    assert [example.prompt for example in examples] == [
        "[五律][题目]无题[正文]",
        "[七绝][题目]无题[正文]",
        "[词][题目]如梦令[正文]",
        "[对联]",
        "[对联]",
    ]
    only(titled=100, bare=100)
    assert read("verse/ci", collection)[1][0].prompt == "[题目]如梦令[正文]"


def test_keywords_are_words_of_the_text(collection, only):
    only(keywords=100)
    _, examples = read("verse", collection, "simplified")
    for example in examples[:3]:
        keywords = example.prompt.partition("[关键词]")[2].removesuffix("[正文]").split("，")
        assert keywords
        assert all(word in example.text for word in keywords)
    assert read("verse", collection, "simplified")[1] == examples, "the same at each reading"


@pytest.mark.parametrize(
    ("title", "short"),
    [
        ("送四子耜倅四明二首 其二", "送四子耜倅四明二首"),
        ("望江南・忆江南", "望江南"),
        ("", ""),
        ("崔中举进士游岳阳遇真人录沁园春词", ""),
        ("秋夜（其一）", ""),
    ],
)
def test_titles_as_somebody_would_ask_for_them(title, short):
    assert _title(title) == short


def test_marks_are_tokens_and_are_not_learned(collection, only, monkeypatch, tmp_path):
    monkeypatch.setenv("KGPT2_CACHE", str(tmp_path / "cache"))
    only()
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
