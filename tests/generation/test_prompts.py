"""How a prompt reaches a model."""

import dataclasses
from pathlib import Path

import pytest

from kgpt2.checkpoints.bert_tokenizer import SPECIAL_TOKENS, BertTokenizer
from kgpt2.checkpoints.preset import read_preset
from kgpt2.config.settings import Settings
from kgpt2.errors import RequestError
from kgpt2.generation.prompts import Prompts, prepare_prompts, reader_of
from kgpt2.generation.rows import Row
from kgpt2.verse.genres import MARKS


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("春眠不觉晓,", "春眠不觉晓，"),
        ("春眠不觉晓，处处闻啼鸟.", "春眠不觉晓，处处闻啼鸟。"),
        ("[CLS]万叠春山积雨晴，", "万叠春山积雨晴，"),
        ("[CLS]丹 枫 江 冷 人 初 去 -", "丹枫江冷人初去-"),
        ("GPT-2, 用 3.5 年", "GPT-2, 用 3.5 年"),
        ("春 风", "春风"),
        ("春风 又绿", "春风 又绿"),
        ("", ""),
        ("丹枫江冷人初去", "丹枫江冷人初去"),
    ],
)
def test_marks_and_spaces(chinese_preset, given, read):
    assert reader_of(read_preset(chinese_preset))(given) == read


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("丹枫江冷人初去", "丹枫江冷人初去-"),
        ("丹枫江冷人初去-", "丹枫江冷人初去-"),
        ("丹枫江冷人初去－", "丹枫江冷人初去-"),
        ("丹枫江冷人初去 |", "丹枫江冷人初去-"),
        ("丹枫江冷人初去/", "丹枫江冷人初去-"),
        ("丹枫江冷人初去\t", "丹枫江冷人初去-"),
        ("国色天香，姹紫嫣红，碧水青云欣共赏", "国色天香，姹紫嫣红，碧水青云欣共赏-"),
        ("国色天香，", "国色天香，"),
        ("春风", "春风"),
        ("hello", "hello"),
    ],
)
def test_the_couplet_model_learned_a_dash_between_the_sides(chinese_preset, given, read):
    folder = Path("hub/models--uer--gpt2-chinese-couplet/snapshots/1")
    checkpoint = dataclasses.replace(read_preset(chinese_preset), folder=folder)
    assert reader_of(checkpoint)(given) == read


@pytest.mark.parametrize(
    ("folder", "learned"),
    [
        ("hub/models--uer--gpt2-chinese-couplet/snapshots/1", True),
        ("models/uer/gpt2-chinese-couplet", True),
        ("runs/gpt2-chinese-couplet/preset", False),
        ("my-gpt2-chinese-couplet-2", False),
        ("models--me--uer-gpt2-chinese-couplet/snapshots/1", False),
        ("gpt2-chinese-couplet", False),
    ],
)
def test_no_other_model_gets_the_dash(chinese_preset, folder, learned):
    checkpoint = dataclasses.replace(read_preset(chinese_preset), folder=Path(folder))
    assert reader_of(checkpoint)("丹枫江冷人初去") == "丹枫江冷人初去" + "-" * learned


def test_an_english_model_reads_what_is_given(english_preset):
    for text in ("春, [CLS] a b", "hello ", " “hello”，", ""):
        assert reader_of(read_preset(english_preset))(text) == text


def test_as_typed_a_prompt_is_read_as_it_is(chinese_preset):
    checkpoint = read_preset(chinese_preset)
    (ready,) = prepare_prompts(["山 風,"], checkpoint.tokenizer, 64, Settings(as_typed=True), reader_of(checkpoint))
    assert (ready.text, ready.ids[1:]) == ("山 風,", checkpoint.tokenizer.encode("山 風,"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "gb18030", "big5"])
def test_a_file_of_prompts_in_another_encoding_is_refused_and_the_encoding_named(tmp_path, encoding):
    (tmp_path / "p.txt").write_bytes("床前明月光\n山川異域，風月同天\n".encode(encoding))
    told = {"utf-16": "UTF-16", "utf-16-le": "UTF-16LE", "gb18030": "GB18030", "big5": "BIG5"}[encoding]
    with pytest.raises(
        RequestError, match=rf"p\.txt, line 1: not UTF-8.*looks like {told}\n.*iconv -f {told} -t UTF-8"
    ):
        list(Prompts([], str(tmp_path / "p.txt")))


@pytest.mark.parametrize(("given", "read"), [("山風", "山风"), ("山风龘", "山风龘"), ("山", "山"), ("國風", "國风")])
def test_only_characters_that_the_vocabulary_lacks_become_simplified(chinese_preset, given, read):
    known = BertTokenizer([*SPECIAL_TOKENS, *"山风凭國"])
    assert reader_of(dataclasses.replace(read_preset(chinese_preset), tokenizer=known))(given) == read


@pytest.mark.parametrize(
    ("prompt", "settings", "mark"),
    [
        ("一", {"form": "七绝"}, "[七绝]"),
        ("一", {"form": "5，5。5，5。"}, "[五绝]"),
        ("", {"form": "对联"}, "[对联]"),
        ("", {"acrostic": "一丁七万"}, "[七绝]"),
        ("[词]一", {}, "[词]"),
        ("[词]一", {"form": "五绝"}, "[词]"),
        ("一", {}, ""),
    ],
)
def test_the_mark_of_a_genre_stands_before_the_prompt_and_in_no_text(prompt, settings, mark):
    """A model that learned behind marks gets that of the form, or the one that the prompt begins with."""
    characters = [chr(0x4E00 + number) for number in range(200)]
    codec = BertTokenizer([*SPECIAL_TOKENS, *MARKS, *characters, *"，。-"], added_tokens=dict.fromkeys(MARKS, True))
    settings = Settings(**settings)
    (ready,) = prepare_prompts([prompt], codec, 64, settings)
    text = prompt.removeprefix(mark)
    assert (ready.mark, ready.text) == (mark, text)
    assert ready.ids == [codec.start_id, *codec.encode(mark), *codec.encode(text)]
    row = Row(ready, 0, 0, codec, settings)
    row.take(codec.token_to_id["七"])
    assert row.result().text == f"{text}七"
    plain = BertTokenizer([*SPECIAL_TOKENS, *characters, *"，。-"])
    if "[" not in prompt:
        assert prepare_prompts([prompt], plain, 64, settings)[0].ids == [plain.start_id, *plain.encode(text)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_of_a_file_is_a_prompt_to_its_last_space(tmp_path, end):
    (tmp_path / "p.txt").write_text(f"\ufeffhello {end}{end} 春风{end}", "utf-8", newline="")
    assert list(Prompts([], str(tmp_path / "p.txt"))) == ["hello ", " 春风"]
