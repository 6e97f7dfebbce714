"""Sheets for people: nothing on them tells who wrote a text, and what is filled in is read strictly."""

import csv
import json
import random

import pytest

from kgpt2.checkpoints.bert_tokenizer import SPECIAL_TOKENS, BertTokenizer
from kgpt2.errors import RequestError
from kgpt2.evaluation.blind import CRITERIA, blind_rows, key_of, require_new, write_sheet
from kgpt2.evaluation.judgement import judge
from kgpt2.evaluation.ratings import Rating, read_sheets

PAIRS = [("春眠", "不觉晓，"), ("处处", "闻啼鸟。"), ("夜来", "风雨声"), ("花落", "知多少")]
WRITTEN = {"a": ["不觉晓，", "闻鸟", "山", "水"], "b": ["不觉晓，", "啼鸟", "春眠不觉晓", "花"]}


@pytest.fixture
def sheet(tmp_path):
    path = tmp_path / "sheet.csv"
    write_sheet(path, blind_rows(PAIRS, WRITTEN, [], 3), {"data": "poems"}, 3)
    return path


def rows_of(path):
    return list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))


def fill(sheet, rater, value_of):
    """A copy of a sheet as someone has filled it; `value_of` gets a row and its source."""
    key = json.loads(key_of(sheet).read_text("utf-8"))["rows"]
    rows = [{**row, **value_of(row, key[row["code"]]["source"])} for row in rows_of(sheet)]
    path = sheet.with_name(f"{rater}.csv")
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_sheet_holds_every_text_once_a_source_and_its_key_knows_whose(sheet):
    rows, key = rows_of(sheet), json.loads(key_of(sheet).read_text("utf-8"))
    assert sheet.read_bytes().startswith(b"\xef\xbb\xbf"), "spreadsheets know UTF-8 by its mark"
    assert list(rows[0]) == ["code", "prompt", "text", *CRITERIA]
    assert len(rows) == 12
    assert [row["text"] for row in rows].count("不觉晓，") == 3, "one that two models wrote, too, is there for each"
    assert key["rows"].keys() == {row["code"] for row in rows}
    assert {(row["prompt"], row["text"]) for row in rows if key["rows"][row["code"]]["source"] == "a"} == {
        (prompt, text) for (prompt, _), text in zip(PAIRS, WRITTEN["a"], strict=True)
    }


def test_the_order_and_the_codes_tell_nothing(sheet):
    key = json.loads(key_of(sheet).read_text("utf-8"))["rows"]
    sources = [row["source"] for row in key.values()]
    assert sources != sorted(sources)
    assert [row["item"] for row in key.values()] != sorted(row["item"] for row in key.values())
    assert blind_rows(PAIRS, WRITTEN, [], 3) == blind_rows(PAIRS, WRITTEN, [], 3)
    assert blind_rows(PAIRS, WRITTEN, [], 3) != blind_rows(PAIRS, WRITTEN, [], 4)
    assert not {"reference", "a", "b"} & set(sheet.read_text("utf-8-sig").replace("\n", ",").split(","))


def test_all_texts_get_the_same_marks_spaces_and_length():
    """The reference has marks that the model cannot write, and a line end; the ready text runs on."""
    tokenizer = BertTokenizer([*SPECIAL_TOKENS, *"春夏秋冬，。"])
    rows = blind_rows([("春", ",夏\n秋.")], {"m": ["，冬。"], "other": ["春，秋. 冬冬冬冬冬"]}, [tokenizer], 0)
    texts = {row.source: row.text for row in rows}
    assert texts == {"reference": "，夏 秋。", "m": "，冬。", "other": "，秋。 冬"}


def test_a_text_written_twice_after_one_prompt_is_rated_once():
    rows = blind_rows([("春", "风"), ("春", "雨")], {"m": ["水", "水"]}, [], 0)
    assert sorted((row.source, row.text) for row in rows) == [("m", "水"), ("reference", "雨"), ("reference", "风")]


def test_no_text_is_a_formula(tmp_path):
    path = tmp_path / "sheet.tsv"
    write_sheet(path, blind_rows([("=1+1", "-2")], {}, [], 0), {}, 0)
    assert path.read_text("utf-8-sig").splitlines()[1].split("\t")[1:3] == [" =1+1", " -2"]


def test_neither_is_written_where_one_cannot_be(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kgpt2.evaluation.blind.write_json", full)
    with pytest.raises(OSError, match="space"):
        write_sheet(tmp_path / "sheet.csv", blind_rows(PAIRS, {}, [], 0), {}, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["sheet.csv", "sheet.key.json"])
def test_what_may_be_filled_is_not_written_over(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(RequestError, match=f"{name}: the file exists already"):
        require_new(tmp_path / "sheet.csv")
    with pytest.raises(RequestError, match=r"ends in \.csv or \.tsv"):
        require_new(tmp_path / "sheet.docx")


def test_twenty_rows_filled_by_two_people_are_scored(tmp_path):
    """The reference is liked better; one person gives a point less than the other now and then."""
    pairs = [(f"春{number}", f"风{number}") for number in range(10)]
    sheet = tmp_path / "sheet.csv"
    write_sheet(sheet, blind_rows(pairs, {"m": [f"水{number}" for number in range(10)]}, [], 0), {}, 0)
    assert len(rows_of(sheet)) == 20
    draw = random.Random(0)

    def said(row, source):
        value = 5 if source == "reference" else draw.choice((2, 3))
        return {"overall": value, "fluency": "４" if row["code"] < "m" else ""}

    def stricter(row, source):
        return {"overall": 4 if source == "reference" else draw.choice((1, 2))}

    one, other = fill(sheet, "one", said), fill(sheet, "other", stricter)
    found = judge(read_sheets([one, other], key_of(sheet)))
    overall = found["overall"]
    assert overall["sources"]["reference"] == {"mean": 4.5, "low": 4.5, "high": 4.5, "texts": 10, "ratings": 20}
    assert 1.5 <= overall["sources"]["m"]["low"] < overall["sources"]["m"]["mean"] < overall["sources"]["m"]["high"]
    assert overall["pairs"] == [
        {"sources": ["m", "reference"], "better": 0, "worse": 10, "equal": 0, "p": pytest.approx(2 / 2**10)}
    ]
    assert 0 < overall["alpha"] < 1
    assert found["fluency"]["alpha"] is None, "one person alone filled it"
    assert judge(read_sheets([one], key_of(sheet)))["overall"]["alpha"] is None


@pytest.mark.parametrize("value", ["6", "0", "good", "4.5", "-1", "１２", "²"])
def test_a_rating_that_cannot_be_is_named_by_file_line_and_column(sheet, value):
    bad = rows_of(sheet)[4]["code"]
    filled = fill(sheet, "one", lambda row, _: {"overall": value if row["code"] == bad else "3"})
    with pytest.raises(RequestError) as refused:
        read_sheets([filled], key_of(sheet))
    assert str(refused.value) == (
        f"{filled}, line 6, column 'overall': {value!r} is no rating; a whole number from 1 to 5 is"
    )


def test_a_sheet_and_a_key_that_do_not_belong_together_are_told(sheet, tmp_path):
    filled = fill(sheet, "one", lambda row, _: {"overall": "3"})
    text = filled.read_text("utf-8-sig")
    code = rows_of(sheet)[0]["code"]
    for changed, words in (
        (text.replace(code, "zzzzzz"), "line 2, column 'code': 'zzzzzz' is not in"),
        (text + text.splitlines()[1] + "\n", f"line 14, column 'code': {code!r} has come before"),
        (text.replace("code,", "row,"), "code"),
        (text.splitlines()[0], "nothing has been rated yet"),
        (text.replace(",3", ","), "nothing has been rated yet"),
    ):
        filled.write_text(changed, "utf-8")
        with pytest.raises(RequestError) as refused:
            read_sheets([filled], key_of(sheet))
        assert words in str(refused.value)
    for key in ("[]", "{}", '{"rows": {"a": 1}}', "{"):
        key_of(sheet).write_text(key, "utf-8")
        with pytest.raises(RequestError, match=r"sheet\.key\.json"):
            read_sheets([filled], key_of(sheet))


def test_a_sheet_is_read_as_spreadsheets_write_it(sheet):
    """Semicolons, GB18030, rows in another order, empty rows and columns, and a column that a rater added."""
    filled = fill(sheet, "one", lambda row, _: {"overall": "3", "wit": "2"})
    head, *rows = filled.read_text("utf-8-sig").replace(",", ";").splitlines()
    filled.write_text("\n".join([f"{head};", *(f"{row};" for row in rows[::-1]), ";;;;;;;"]), "gb18030")
    found = read_sheets([filled], key_of(sheet), "gb18030")
    assert {(one.criterion, one.value) for one in found} == {("overall", 3), ("wit", 2)}
    assert len(found) == 24


def test_a_source_is_compared_where_both_wrote():
    ratings = [Rating("r", "overall", "x", "a", 0, 4), Rating("r", "overall", "y", "b", 1, 2)]
    assert judge(ratings)["overall"]["pairs"] == [
        {"sources": ["a", "b"], "better": 0, "worse": 0, "equal": 0, "p": 1.0}
    ]
