import json
from pathlib import Path

import pytest

from kgpt2.data.example import Report
from kgpt2.data.poetry.collection import open_poetry, read_poems
from kgpt2.data.poetry.shelves import PARTS, poem_files
from kgpt2.errors import RequestError

MOON = ["床前看月光，疑是地上霜。", "舉頭望山月，低頭思故鄉。"]
MOON_VARIANT = ["牀前明月光，疑是地上霜。", "舉頭望明月，低頭思故鄉。"]
SPRING = ["春眠不覺曉，處處聞啼鳥。", "夜來風雨聲，花落知多少。"]
LINES = ["白日依山尽，黄河入海流。", "欲穷千里目，更上一层楼。"]
TEXT = "".join(LINES)


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
    return path


def rows(*poems: list[str], **fields) -> list[dict]:
    return [{"author": "佚名", "title": "詩", "paragraphs": poem, **fields} for poem in poems]


def poems(root: Path, part: str, script: str | None = None, report: Report | None = None):
    return list(read_poems(root, part, script, report if report is not None else Report()))


def test_poems_come_in_numerical_order_from_either_layout(poetry):
    write(poetry / "全唐诗/poet.tang.200.json", [])
    write(poetry / "全唐诗/error/poet.tang.0.json", rows(SPRING))
    names = ["poet.tang.0.json", "poet.tang.200.json", "poet.tang.1000.json"]
    before = [path.name for _, path in poem_files(poetry, "tang")], poems(poetry, "tang")
    assert before[0] == names
    (poetry / "dist").mkdir()
    (poetry / "全唐诗").rename(poetry / "dist/quantangshi")
    for root in (poetry, poetry / "dist", poetry / "dist/quantangshi"):
        assert ([path.name for _, path in poem_files(root, "tang")], poems(root, "tang")) == before


def test_song_ci_put_the_year_last(tmp_path):
    for name in ("ci.song.2019y", "ci.song.10000", "ci.song.3000", "author.song", "宋词三百首"):
        write(tmp_path / "宋词" / f"{name}.json", [])
    names = [path.name for _, path in poem_files(tmp_path, "ci")]
    assert names == ["ci.song.3000.json", "ci.song.10000.json", "ci.song.2019y.json"]


def test_poems_are_converted_and_deduplicated(poetry):
    source, report = open_poetry(poetry, "tang", None), Report()
    examples = list(source.read(report))
    texts = [example.text for example in examples]
    assert len(texts) + report.dropped["duplicate"] == 45
    assert len(set(texts)) == len(texts)
    assert any("風" in text for text in texts)
    assert list(source.read(Report())) == examples
    simplified = [example.text for example in open_poetry(poetry, "tang", "simplified").read(Report())]
    assert not any("風" in text for text in simplified)
    assert any("风" in text for text in simplified)
    # The part is traditional, so nothing is there to convert.
    assert [example.text for example in open_poetry(poetry, "tang", "traditional").read(Report())] == texts
    assert source.spec == "chinese_poetry/tang"


def test_a_duplicate_may_differ_in_script_and_punctuation(tmp_path):
    write(tmp_path / "全唐诗/poet.tang.0.json", rows(SPRING))
    other = ["春眠不觉晓。处处闻啼鸟。", "夜来风雨声（一作雷）。花落知多少！"]
    write(tmp_path / "全唐诗/poet.tang.1000.json", rows(LINES, other))
    report = Report()
    assert [poem.text for poem in poems(tmp_path, "tang", report=report)] == ["".join(SPRING), TEXT]
    assert report.dropped == {"duplicate": 1}
    assert report.cleaned == {"notes removed": 1}


def test_variants_are_of_one_group(tmp_path):
    quatrains = [MOON, LINES, SPRING, MOON_VARIANT, ["疑是地上霜，舉頭望山月。", "白日依山尽，黄河入海流。"]]
    write(tmp_path / "全唐诗/poet.tang.0.json", rows(*quatrains))
    groups = [poem.group for poem in poems(tmp_path, "tang")]
    # The last one shares two clauses with the first, and two with the second: all of them are one family.
    assert groups[0] == groups[1] == groups[3] == groups[4] != groups[2]
    write(tmp_path / "全唐诗/poet.tang.0.json", rows(*quatrains[:4]))
    groups = [poem.group for poem in poems(tmp_path, "tang")]
    assert groups[0] == groups[3]
    assert len(set(groups)) == 3
    assert [poem.group for poem in poems(tmp_path, "tang", "simplified")] == groups


def test_refrains_make_no_family(tmp_path):
    refrain = "知否。知否。"
    lines = (LINES[0], SPRING[0], MOON[1])
    ci = [{"author": "", "rhythmic": "如梦令", "paragraphs": [line, refrain]} for line in lines]
    write(tmp_path / "宋词/ci.song.0.json", ci)
    assert len({poem.group for poem in poems(tmp_path, "ci")}) == 3


def test_a_poem_has_its_features(tmp_path):
    write(tmp_path / "全唐诗/poet.tang.0.json", rows(SPRING, notes=["注一\n注二"], author="孟浩然", title="春 曉"))
    (poem,) = poems(tmp_path, "tang", "simplified")
    assert (poem.title, poem.author, poem.dynasty, poem.part) == ("春 晓", "孟浩然", "唐", "tang")
    assert (poem.form, poem.rhythmic, poem.notes) == ("五绝", "", ("注一 注二",))


def test_fragments_and_bad_poems_are_counted(tmp_path):
    several = [*SPRING, *LINES]
    lines = rows(several, title="句  其二") + rows(several, title="句（附存）") + rows(several, title="句容道中")
    write(tmp_path / "全唐诗/poet.song.0.json", lines + rows(SPRING, ["□"], [], LINES[:1]))
    report = Report()
    assert [poem.title for poem in poems(tmp_path, "song", report=report)] == ["句容道中", "詩"]
    assert {reason: count for reason, count in report.dropped.items() if count} == {
        "fragment": 3,
        "gap": 1,
        "empty": 1,
    }


CHAPTER = {"chapter": "学而篇", "paragraphs": ["子曰：“君子不器。”", "子曰：“朝闻道，夕死可矣。”"]}
BOOK = {
    "title": "千家詩",
    "author": "謝枋得",
    "content": [
        {
            "type": "五言",
            "content": [
                {"chapter": "春眠", "author": "（唐）孟浩然", "paragraphs": SPRING},
                {"chapter": "樓", "author": "王之涣", "paragraphs": [{"subchapter": "其一", "paragraphs": LINES}]},
            ],
        }
    ],
}


@pytest.mark.parametrize(
    ("part", "file", "content", "expected"),
    [
        (
            "ci",
            "宋词/ci.song.0.json",
            [{"author": "甲", "paragraphs": LINES, "rhythmic": "调"}],
            [(TEXT, "", "甲", "宋")],
        ),
        (
            "yuan",
            "元曲/yuanqu.json",
            rows(["［众］入海流。", LINES[1]], author="乙", title="尾・白日依山尽，黄河", dynasty="yuan"),
            [(TEXT, "尾", "乙", "元")],
        ),
        (
            "wudai",
            "五代诗词/huajianji/huajianji-1-juan.json",
            [{"title": "题", "paragraphs": LINES, "author": "丙", "rhythmic": "调", "notes": ["1.注"]}],
            [(TEXT, "题", "丙", "五代")],
        ),
        (
            "shijing",
            "诗经/shijing.json",
            [{"title": "题", "chapter": "国风", "section": "周南", "content": LINES}],
            [(TEXT, "题", "", "先秦")],
        ),
        (
            "chuci",
            "楚辞/chuci.json",
            [{"title": "题", "section": "九歌", "author": "屈原", "content": [LINES[0][:-1], LINES[1]]}],
            [(TEXT, "题", "屈原", "")],
        ),
        (
            "lunyu",
            "论语/lunyu.json",
            [CHAPTER],
            [(text, "学而篇", "", "先秦") for text in CHAPTER["paragraphs"]],
        ),
        ("sishu", "四书五经/daxue.json", CHAPTER, [(text, "学而篇", "", "先秦") for text in CHAPTER["paragraphs"]]),
        ("caocao", "曹操诗集/caocao.json", [{"title": "题", "paragraphs": LINES}], [(TEXT, "题", "", "汉")]),
        (
            "nalan",
            "纳兰性德/纳兰性德诗集.json",
            [{"title": "题", "para": [line[:-1] for line in LINES] + ["\xa0"], "author": "纳兰性德"}],
            [(TEXT, "题", "纳兰性德", "清")],
        ),
        (
            "youmengying",
            "幽梦影/youmengying.json",
            [{"content": f"{LINES[0]}##{LINES[1]}", "comment": ["甲曰"]}, {"content": "一句。", "comment": "乙曰"}],
            [(TEXT, "", "", "清"), ("一句。", "", "", "清")],
        ),
        (
            "shuimo",
            "水墨唐诗/shuimotangshi.json",
            [{"title": "题", "paragraphs": LINES, "author": "丁", "prologue": "说"}],
            [(TEXT, "题", "丁", "唐")],
        ),
    ],
)
def test_every_schema_is_read(part, file, content, expected, tmp_path):
    folder = write(tmp_path / file, content).parent
    if part == "wudai":
        write(tmp_path / "五代诗词/nantang/poetrys.json", [])
    for root in (tmp_path, folder):
        found = [(poem.text, poem.title, poem.author, poem.dynasty) for poem in poems(root, part)]
        assert found == expected


def test_the_primers_are_read(tmp_path):
    folder = tmp_path / "mengxue"
    lines = ["天地玄黃", "宇宙洪荒", "日月盈昃", "辰宿列張"]
    write(folder / "qianziwen.json", {"title": "千字文", "paragraphs": lines})
    content = [{"chapter": "總敘", "paragraphs": ["弟子規 聖人訓 首孝弟 次謹信"]}]
    write(folder / "dizigui.json", {"title": "弟子規", "author": "李毓秀", "content": content})
    chapter = {"chapter": "鄭伯", "author": "先秦：左丘明 ", "paragraphs": ["初，鄭武公娶於申。", "公弗許。"]}
    write(folder / "guwenguanzhi.json", {"title": "古文觀止", "content": [{"title": "卷一", "content": [chapter]}]})
    write(folder / "qianjiashi.json", BOOK)
    write(folder / "wenzimengqiu.json", {"title": "文字蒙求", "content": [{"title": "卷一", "paragraphs": ["象形"]}]})
    report = Report()
    found = [(poem.text, poem.title, poem.author, poem.dynasty) for poem in poems(folder, "mengxue", report=report)]
    assert found == [
        ("天地玄黃，宇宙洪荒。日月盈昃，辰宿列張。", "千字文", "", ""),
        ("弟子規，聖人訓。首孝弟，次謹信。", "總敘", "李毓秀", ""),
        ("初，鄭武公娶於申。", "鄭伯", "左丘明", "先秦"),
        ("公弗許。", "鄭伯", "左丘明", "先秦"),
        ("".join(SPRING), "春眠", "孟浩然", "唐"),
        (TEXT, "其一", "王之涣", ""),
    ]
    assert report.cleaned["stops supplied"] == 2
    assert len(poems(folder, "ancient")) == 4


def test_the_identity_follows_content_part_and_script(poetry):
    identity = open_poetry(poetry, "tang", None).identity()
    assert open_poetry(poetry / "全唐诗", "tang", None).identity() == identity
    assert open_poetry(poetry, "tang", "simplified").identity() != identity
    file = poetry / "全唐诗/poet.tang.0.json"
    file.write_text(file.read_text("utf-8") + " ", "utf-8")
    assert open_poetry(poetry, "tang", None).identity() != identity


def test_mistakes_name_what_is_wrong_and_the_way_out(poetry, tmp_path):
    for root, part, words in [
        (tmp_path / "none", "tang", "there is no such folder"),
        (poetry / "全唐诗/authors.tang.json", "tang", "this is a file"),
        (poetry / "全唐诗/error", "tang", "there is no such folder"),
        (tmp_path, "tang", "no files of chinese_poetry/tang here"),
        (poetry, "ming", "there is no such part; there are tang, song, ci"),
        (poetry, "wudai", "五代诗词/huajianji/"),
    ]:
        with pytest.raises(RequestError, match=words):
            open_poetry(root, part, None)


@pytest.mark.parametrize(
    ("part", "file", "content", "words"),
    [
        ("tang", "poet.tang.0.json", {}, "a list of poems was expected"),
        ("tang", "poet.tang.0.json", ["x"], "poem 1 is no object"),
        ("tang", "poet.tang.0.json", [*rows(SPRING), {"paragraphs": "x"}], "poem 2 has no paragraphs"),
        ("tang", "poet.tang.0.json", [{"paragraphs": [1]}], "poem 1 has no paragraphs"),
        ("tang", "poet.tang.0.json", rows(SPRING, title=3), "poem 1: title is no text"),
        ("shijing", "shijing.json", [{"title": "题"}], "poem 1 has no content"),
        ("youmengying", "youmengying.json", [{"content": []}], "poem 1 has no content"),
        ("mengxue", "qianjiashi.json", {"title": "千家詩"}, "'千家詩' has no paragraphs"),
        ("mengxue", "qianjiashi.json", [], "a book with paragraphs or content was expected"),
    ],
)
def test_malformed_files_are_named_with_the_row(part, file, content, words, tmp_path):
    path = write(tmp_path / file, content)
    source = open_poetry(tmp_path, part, None)
    with pytest.raises(RequestError, match=words) as error:
        list(source.read(Report()))
    assert str(path) in str(error.value)


def test_every_part_has_its_files_in_both_layouts():
    for shelves in PARTS.values():
        for shelf in shelves:
            assert len(set(shelf.folders)) == 2
            assert shelf.folders[1].isascii()
