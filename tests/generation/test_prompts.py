"""How a prompt reaches a model."""

import dataclasses
from pathlib import Path

import pytest

from kgpt2.checkpoints.preset import read_preset
from kgpt2.generation.prompts import reader_of


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


def test_an_english_model_reads_what_is_given(english_preset):
    assert reader_of(read_preset(english_preset))("春, [CLS] a b") == "春, [CLS] a b"
