"""A Chinese writer's words for values: on the command line, in Python and in a configuration."""

import json

import pytest

from kgpt2.config.recipes import config_of
from kgpt2.config.schema import schema
from kgpt2.config.settings import CHINESE, Settings
from kgpt2.errors import RequestError
from kgpt2.verse.check import check


@pytest.mark.parametrize(
    ("name", "chinese", "value"),
    [
        *(("tones", chinese, value) for chinese, value in CHINESE["tones"].items()),
        *(("script", chinese, value) for chinese, value in CHINESE["script"].items()),
        *(("rhyme", chinese, value) for chinese, value in CHINESE["rhyme"].items()),
    ],
)
def test_a_chinese_value_is_the_english_one(name, chinese, value):
    assert getattr(Settings(form="七绝", **{name: chinese}), name) == value
    values = {"model": {"preset": "mini_zh"}, "data": {"texts": ["春"]}, "sample": {"form": "七绝", name: chinese}}
    assert getattr(config_of(values).sample, name) == value
    keys = schema()["$defs"]["SampleSection"]["properties"][name]["anyOf"]
    assert keys[0].get("type") == "string" or chinese in keys[0]["enum"]


def test_the_script_of_data():
    values = {"model": {"preset": "mini_zh"}, "data": {"texts": ["春"], "script": "繁体"}}
    assert config_of(values).data.script == "traditional"
    with pytest.raises(RequestError, match=r"data\.script: '繁' will not do"):
        config_of({**values, "data": {"texts": ["春"], "script": "繁"}})


def test_the_command_line_writes_the_same(kgpt2):
    def written(*options):
        result = kgpt2("generate", "春风", "--form", "七绝", "--seed", "1", *options, "--json")
        assert result.status == 0, result.err
        return json.loads(result.out)["text"]

    chinese = written("--tones", "严", "--rhyme", "平水韵", "--script", "繁体")
    assert chinese == written("--tones", "strict", "--rhyme", "pingshui", "--script", "traditional")
    shown = kgpt2("data", "show", "samples/tang", "--script", "繁體", "--limit", "1", "--json").out
    assert shown == kgpt2("data", "show", "samples/tang", "--script", "traditional", "--limit", "1", "--json").out
    text = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"
    for chinese, value in (("中华新韵", "modern"), ("中华通韵", "tongyun"), ("通韵", "tongyun")):
        found, same = (kgpt2("verse", "check", text, "--rhyme", rhyme) for rhyme in (chinese, value))
        assert (found.status, found.out) == (0, same.out)


@pytest.mark.parametrize(
    ("prompt", "form", "taken"),
    [("白日依山尽", "绝句", "五绝"), ("春风", "绝句", "七绝"), ("", "律詩", "七律"), ("白日依山尽，", "律诗", "五律")],
)
def test_the_first_line_says_which_of_two_forms_is_meant(kgpt2, prompt, form, taken):
    result = kgpt2("generate", prompt, "--form", form, "--seed", "1", "--json")
    assert result.status == 0, result.err
    assert f"note: {form}: {taken} is taken" in result.err
    assert check(json.loads(result.out)["text"]).form == taken


def test_where_there_is_no_first_line_the_two_are_named(kgpt2):
    result = kgpt2("verse", "forms", "绝句")
    assert (result.status, result.err) == (
        2,
        "kgpt2: --form '绝句': 五绝 (lines of five characters) or 七绝 (of seven)?\n",
    )
