"""Under LANG=zh_* kgpt2 speaks Chinese; without it nothing changes; the catalogue has what the code says."""

import ast
import errno
import inspect
import json
import os
import re
import string
from pathlib import Path

import click
import pytest

from kgpt2.cli.help import cells, first_sentence
from kgpt2.cli.main import cli
from kgpt2.config.recipes import config_of
from kgpt2.config.settings import CHINESE, in_our_words
from kgpt2.config.shipped import read_recipe, recipe_names
from kgpt2.extras import how_to_install
from kgpt2.language import catalogue, in_chinese, is_chinese, told
from kgpt2.serve import missing
from kgpt2.training.folder import interrupted
from kgpt2.training.guard import out_of_memory
from tests.conftest import ROOT

POEM = "床前明月光，疑是地上霜。举头望明月，低头思故乡。"
# What a writer of verse types first, wrong and right; the status; words of the answer.
COMMANDS = [
    (("--help",), 0, "用模型续写每个 PROMPT。"),
    (("--help",), 0, "用法：kgpt2 [选项] 命令 [参数]...\n"),
    (("fit", "--help"), 0, "用法：kgpt2 fit [选项] CONFIG\n"),
    (("generate", "春", "--from", "x"), 2, "没有选项 '--from'（是否想用其中之一：'"),
    (
        ("generate", "--form", "沁园春"),
        2,
        "而模型的上下文是 128\n请用 --model 换一个上下文更长的模型，或换短一些的体裁",
    ),
    (("generate", "--help"), 0, "藏头：每句开头的字。"),
    (("generat", "春风"), 2, "没有命令 'generat'，是否想用 'generate'？"),
    (("generate",), 2, "没有提示：请写 kgpt2 generate"),
    (("generate", "春风", "--form", "七言"), 2, "既不是已知的体裁，也不是留有空位的格式"),
    (("generate", "春风", "--form", "七绝", "--rhyme", "东东"), 2, "没有韵 '东东'"),
    (("generate", "床前明月光", "--form", "五绝", "--tones", "严"), 2, "处不合任何平仄谱：'光'是平，此处应为仄"),
    (("generate", "床前明月光疑", "--form", "五绝"), 2, "第 1 句第 5 字后是 '疑'，应为'，'"),
    (("generate", "hello", "--form", "五绝"), 2, "提示 'hello' 不合 五绝：第 1 句开头是 'h'，应为汉字"),
    (("generate", "春", "--tones", "x"), 2, "tones：x 不行，可用：不拘（off）、宽（loose）、唐（tang）、严（strict）"),
    (("generate", "春", "--script", "正体"), 2, "正体 不行，可用：简体（simplified）、繁体（traditional）"),
    (("generate", "--form", "五绝", "--rhyme", "xx"), 2, "可写不拘（off）、平水韵（pingshui）、词林正韵（cilin）、中"),
    (("generate", "--form", "五绝", "--rhyme-words", "东边"), 2, "--rhyme-words '东,边'：依平水韵，东与边不押韵\n"),
    (("generate", "--form", "五排9"), 2, "五排的句数须为 10 到"),
    (("generate", "--form", "如梦令99"), 2, "这个词牌没有这一体\n可用五绝、七绝、五律、七律、五排、七排、对联、词牌"),
    (("verse", "check", POEM, "--rhyme", "诗韵"), 2, "'诗韵' 不在可选之列：平水韵（pingshui）、词林正韵（cilin）、中"),
    (("verse", "chek", POEM), 2, "用法见 `kgpt2 verse --help`"),
    (("fit", str(ROOT / "configs/smallest.yaml"), "-o", "train.epoch=1"), 2, "没有这个键；是否想用 epochs？"),
    (("generate", "春风", "--tones", "严"), 2, "tones 要有体裁才有意义，请加上体裁"),
    (("generate", "春", "--temperature", "0"), 2, "须为从 1e-06 到 1e+06 的数（或用 greedy）"),
    (("generate", "春", "--k", "many"), 2, "'--k' 的值无效：'many' 不是整数。"),
    (("generate", "春", "--model", "minizh"), 2, "既没有这个文件夹，也不是已知的名字"),
    (("generate", "床前明月光", "--seed", "1"), 0, "注意：这是首句，故写成五绝，依平仄押韵，8 首中选优"),
    (("generate", "春风", "--form", "绝句", "--seed", "1"), 0, "注意：绝句：按七绝写"),
    (("generate", "abc", "--max-new-tokens", "2", "--seed", "1"), 0, "模型不认得 abc，读作 [UNK]（它只读过古诗词"),
    (("verse", "check", POEM), 0, "五绝: 不合律，韵 下平声七阳"),
    (("verse", "check", "诗稿.txt"), 2, "诗稿.txt：没有这个诗词文件"),
    (("verse", "check", "春风得意马蹄疾，一日看尽长安花"), 0, "7，7: 不是绝句、律诗、排律、对联，也不是已知的词牌"),
    (("verse", "check", POEM, "--form", "七绝"), 0, "第 1 句应为 7 字，现为 5 字"),
    (("verse", "check", POEM, "--form", "五律"), 0, "应为 8 句，现为 4 句"),
    (("verse", "check", POEM, "--form", "七决"), 2, "也不是留有空位的格式；是否想用 七绝？"),
    (("verse", "forms", "沁园秋"), 2, "（写法见 docs/verse.zh-CN.md）"),
    (("verse", "forms"), 0, "R、r：押平韵、押仄韵的字"),
    (("verse", "check", "欲穷千里目，更上一层楼。"), 0, "通：可平可仄的字"),
    (("verse", "rhymes", "ab"), 2, "'ab'：请写一个汉字"),
    (("fit", "none.yaml"), 2, "none.yaml：没有这个配置文件"),
    (("data", "show", "none"), 2, "none：没有这个数据来源或文件"),
    (("data", "show", "hf://poems"), 2, "请写 hf://datasets/组织/名字"),
    (("push", "none", "hf://someone/poems"), 2, "none：没有这个文件夹；能发布的是训练结果"),
    (("bench", "mini_zh", "--batch", "0"), 2, "--batch：0 不行，须为 1 或更大"),
    (("bench", "mini_zh", "--samplers", "best"), 2, "--samplers：'best' 不在可选之列：greedy"),
    (("models",), 0, "MODEL 也可以是文件夹"),
    (("serve", "--host", "0.0.0.0"), 2, "别人能访问这个地址，而没有设密钥"),
]


@pytest.fixture
def chinese(monkeypatch):
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.delenv("LC_MESSAGES", raising=False)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")


@pytest.mark.parametrize(("arguments", "status", "words"), COMMANDS, ids=[" ".join(one[0]) for one in COMMANDS])
def test_a_verse_writers_first_commands_are_answered_in_chinese(kgpt2, chinese, arguments, status, words):
    result = kgpt2(*arguments)
    assert result.status == status, result.err
    assert words in result.out + result.err
    if status:
        assert result.err.startswith("kgpt2: ")
        assert len(result.err.splitlines()) <= 2


def test_the_last_line_is_the_speed_in_chinese(kgpt2, chinese):
    said = kgpt2("generate", "春", "--max-new-tokens", "2", "--seed", "1").err.splitlines()
    assert re.fullmatch(r"[\d.]+ 秒写出 2 个词元：每秒 [\d.]+ 个（启动 [\d.]+ 秒）", said[-1])


@pytest.mark.parametrize("command", [("verse", "check"), ("generate", "--prompts")])
def test_a_file_in_another_encoding_is_told_with_the_way_out(kgpt2, chinese, tmp_path, command):
    path = tmp_path / "poems.txt"
    path.write_bytes(f"{POEM}\n".encode("gb18030"))
    said = kgpt2(*command, str(path)).err
    assert re.search(r"poems\.txt 第 1 行：不是 UTF-8（.*）", said)
    assert said.endswith("存为 UTF-8，或转换：iconv -f GB18030 -t UTF-8 poems.txt > utf8-poems.txt\n")


def test_a_line_of_a_configuration_is_told(kgpt2, chinese, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("model: {preset: mini_zh}\ntrain:\n  epoch: 3\n")
    said = kgpt2("fit", str(path)).err
    assert f"{path} 第 3 行：train.epoch：没有这个键；是否想用 epochs？" in said
    assert f"{path}：data：没有给出，且没有默认值" in said
    path.write_text("- 1\n")
    assert f"{path}：配置文件的顶层须为这些键：model, data" in kgpt2("fit", str(path)).err


def test_what_is_not_installed_is_told_with_the_command_that_brings_it(chinese):
    said = told(str(missing(ModuleNotFoundError(name="uvicorn"))))
    assert said == f"这里没有安装 uvicorn；扩展 serve 里有它\n{how_to_install('serve')}"
    assert told("/bin/python -m pip install kgpt2") == "/bin/python -m pip install kgpt2"


def test_what_is_to_be_lowered_is_told(chinese):
    config = config_of({"model": {"preset": "mini_zh"}, "data": {"source": "samples/tang"}})
    said = told(str(out_of_memory(config)))
    assert "train.batch_size（现为 " in said
    assert said.splitlines()[0].endswith("，或设 model.dtype=mixed_bfloat16，或设 model.rematerialise=true")


def test_what_the_network_and_the_system_refuse_is_told(chinese):
    hub = (
        "hf://a/b: not in the local cache /c, and huggingface.co cannot be reached\ngo online once (HF_ENDPOINT names "
    )
    assert told(f"{hub}a mirror), or give a folder that holds its files").startswith(
        "hf://a/b：本地缓存 /c 中没有，而连不上 huggingface.co\n请联网一次"
    )
    busy = f"kgpt2: --port 8765: {os.strerror(errno.EADDRINUSE)} at 127.0.0.1; --port names another"
    assert told(busy) == "kgpt2: --port 8765：端口已被占用（127.0.0.1）；请用 --port 换一个"


@pytest.mark.parametrize(
    "chinese", [one for one in catalogue().values() if "（off）" in one or "（simplified）、" in one]
)
def test_the_chinese_values_that_are_offered_are_taken(chinese):
    offered = re.findall(r"([\u4e00-\u9fff]+)（(\w+)）", chinese.rpartition("可写")[2])
    assert offered
    for value, meant in offered:
        assert meant in {in_our_words(name, value) for name in CHINESE}


@pytest.mark.parametrize(
    "name", ["generate", "serve", "models", "verse", "bench", "compare", "convert", "data", "push"]
)
def test_help_is_chinese_and_fits(kgpt2, chinese, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    lines = kgpt2(name, "--help").out.splitlines()
    assert lines[0].startswith("用法：")
    assert max(map(cells, lines)) <= 80
    # Names of options and what they take stay as they are typed; all that is said of them is Chinese.
    meanings = [re.split(r" {2,}", line.strip())[-1] for line in lines if line.startswith("  ")]
    assert all(re.search(r"[\u4e00-\u9fff]|^[\w. ：）\]-]+$|^[-<(]", meaning) for meaning in meanings), meanings


def helps(command: click.Command, context: click.Context) -> list[str]:
    """All that `--help` says of a command and of those below it: sentences, options, the brackets behind them."""
    whole = inspect.cleandoc(command.help or "")
    found = [" ".join(part.split()) for part in whole.split("\n\n") if part and not part.startswith("\b")]
    found += [first_sentence(whole)] if whole else []
    found += [f"{heading}:" for heading in getattr(command, "headings", ())]
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option) and (record := parameter.get_help_record(context)):
            text, _, bracket = record[1].partition("  [")
            found += [text, *filter(None, [bracket.rstrip("]")])]
            default = bracket.rstrip("]").removeprefix("default: ")
            found += [default] if re.search("[a-z] [a-z]", default) else []
    for name in command.list_commands(context) if isinstance(command, click.Group) else ():
        below = command.get_command(context, name)
        found += helps(below, click.Context(below, parent=context, info_name=name))
    return found


def test_no_option_and_no_command_lacks_its_chinese(chinese):
    said = helps(cli, click.Context(cli, info_name="kgpt2", help_option_names=["-h", "--help"]))
    assert len(said) > 250
    assert [
        one for one in said if not re.search("[\u4e00-\u9fff]", told(one)) and not re.fullmatch(r"[\dx<>=.]+", one)
    ] == []


def test_a_data_source_is_told_of_in_chinese(kgpt2, chinese):
    lines = kgpt2("data", "show", "samples/tang", "--limit", "30", "--examples", "0").out.splitlines()
    assert re.search(r"^30 条样例；词元数（含首尾）：平均 [\d.]+，半数不超过 \d+", "\n".join(lines), re.M)
    assert "随 kgpt2 而来的小样本" in kgpt2("data", "list").out


def test_the_recipes_are_told_of_in_chinese_and_fit(kgpt2, chinese, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = kgpt2("init").out.splitlines()
    assert [line.split()[0] for line in lines] == recipe_names()
    assert all(line.endswith("。") and cells(line) < 80 for line in lines)
    assert "还须给出：data.path：有 text1 一列的表" in kgpt2("init", "couplets").err
    assert json.loads(kgpt2("init", "--json").out)["recipes"][0]["description"] == read_recipe("couplets").summary


def test_a_characters_uses_and_what_is_not_installed_are_told(kgpt2, chinese, monkeypatch):
    lines = kgpt2("verse", "rhymes", "看").out.splitlines()
    assert re.fullmatch(r"看  通  （用作平声 [\d,]+ 次，仄声 [\d,]+ 次）", lines[0])
    assert re.fullmatch(r"  \S+  用于句末 [\d,]+ 次", lines[-1])
    monkeypatch.setattr("kgpt2.cli.env.version_of", lambda name: None if name == "jax" else "1")
    monkeypatch.setattr("kgpt2.cli.env.missing", lambda extra: ["wandb"] if extra == "wandb" else [])
    said = kgpt2("env")
    assert {"jax                  未安装", "[wandb]              缺少：wandb"} <= {*said.out.splitlines()}
    assert "[torch]              已安装" in said.out
    assert said.err.startswith("安装扩展：")


def test_a_run_is_told_of_in_chinese_and_its_files_stay_as_they_are(kgpt2, chinese, tmp_path):
    folder = tmp_path / "run"
    options = ("train.epochs=null", "train.steps=2", "train.validate_every=1", "data.limit=20", "train.batch_size=4")
    overrides = [part for option in options for part in ("-o", option)]
    said = kgpt2("fit", str(ROOT / "configs/quickstart.yaml"), "--out", str(folder), *overrides)
    assert said.status == 0, said.err
    lines = [line for line in said.err.splitlines() if not re.match(r"[IW]\d{4} ", line)]  # TensorFlow's own
    assert re.fullmatch(r"\S+：\d+ 条样例用于训练，\d+ 条留作验证", lines[0])
    assert "共 2 步，每 1 步验证一次" in lines
    numbers = r"损失 [\d.]+，准确率 [\d.]+，困惑度 [\d.]+"
    found = [
        re.fullmatch(rf"第 [12] 步 \| {numbers} \| 验证：{numbers}(?: \| 每秒 ([\d,]+) 词元)?", line) for line in lines
    ]
    rates = [match[1] for match in found if match]
    assert len(rates) == 2
    assert rates[0] is None, "the step that compiles has no speed worth telling"
    assert any(line.startswith("样文： ") for line in lines)
    assert [line for line in lines if not re.search("[\u4e00-\u9fff]", line)] == []
    assert (folder / "samples.txt").read_text("utf-8").startswith("== step 1, validation loss ")
    assert (folder / "metrics.csv").read_text("utf-8").isascii()


@pytest.mark.parametrize("checkpoint", [False, True])
@pytest.mark.parametrize(
    ("step", "kept"), [(0, ""), (3, ""), (3, "the best model so far"), (3, "the model saved last")]
)
def test_an_interrupt_of_a_run_is_told_in_chinese(chinese, tmp_path, checkpoint, step, kept):
    if checkpoint:
        (tmp_path / "checkpoints/step-1").mkdir(parents=True)
    said = told(str(interrupted(tmp_path, step, kept))).replace(str(tmp_path), "")
    assert len(said.splitlines()) == 2
    assert set(re.findall("[a-z]+", said)) <= {"resume", "preset"}
    assert ("从最后一个检查点接着做" in said) is checkpoint


def test_all_else_that_an_interrupt_says_is_chinese():
    """What the modules that are told of one say there: in a string that names it, or the way to go on."""
    said = []
    for module in (
        "cli/main.py",
        "cli/writing_texts.py",
        "generation/bulk.py",
        "training/folder.py",
        "training/run.py",
    ):
        for node in ast.walk(ast.parse((ROOT / "kgpt2" / module).read_text("utf-8"))):
            arguments = (
                node.args if isinstance(node, ast.Call) else [node.value] if isinstance(node, ast.Assign) else []
            )
            said += [
                text for one in arguments if (text := template(one)) and re.search("interrupt|--resume|stopping", text)
            ]
    assert len(said) > 7
    assert [one for one in said if not all(re.search("[\u4e00-\u9fff]|^{}$", line) for line in chinese_of(one))] == []


def test_json_and_texts_are_the_same(kgpt2, chinese, monkeypatch):
    command = ("generate", "春风", "--form", "七绝", "--seed", "1")
    own = kgpt2(*command).out, kgpt2(*command, "--json").out, kgpt2("verse", "check", POEM, "--json").out
    monkeypatch.setenv("LANG", "C.UTF-8")
    assert own == (kgpt2(*command).out, kgpt2(*command, "--json").out, kgpt2("verse", "check", POEM, "--json").out)
    json.loads(own[1])


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ({"LANG": "zh_CN.UTF-8"}, True),
        ({"LANG": "zh_TW"}, True),
        ({"LANG": "en_US.UTF-8"}, False),
        ({}, False),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, False),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_CN", "LANG": "en_US"}, True),
    ],
)
def test_the_locale_is_read_as_the_c_library_reads_it(monkeypatch, locale, expected):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
        if name in locale:
            monkeypatch.setenv(name, locale[name])
    assert is_chinese() is expected
    assert (told("interrupted") == "interrupted") is not expected


def test_without_a_chinese_locale_nothing_changes(kgpt2, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    for arguments, *_ in COMMANDS:
        result = kgpt2(*arguments)
        said = [
            line for line in (result.out + result.err).splitlines() if line.startswith(("kgpt2:", "note:", "Usage:"))
        ]
        assert not any("：" in line or "没有" in line for line in said)


def template(node: ast.expr) -> str:
    """A string of the code, `{}` where values stand; "" for anything else."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def chinese_of(english: str) -> list[str]:
    return in_chinese(english).splitlines()


def spoken() -> str:
    """All that the code, click and the system can say, `{}` where values stand; lists as messages write them."""
    found = [os.strerror(code) for code in errno.errorcode]
    found += [text for name in recipe_names() for text in (read_recipe(name).summary, read_recipe(name).wanted)]
    for path in [*(ROOT / "kgpt2").rglob("*.py"), *Path(inspect.getfile(click)).parent.glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append(template(node))
            elif isinstance(node, ast.Tuple | ast.List):
                words = [part.value for part in node.elts if isinstance(part, ast.Constant)]
                found += [", ".join(map(str, words)), ", ".join(map(repr, words))]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found += [node.value, " ".join(node.value.split())]
    return "\0".join(found)


def test_every_sentence_of_the_catalogue_is_one_that_the_code_says():
    """A sentence that was changed in the code has to be changed in kgpt2/assets/locale/zh_CN.po."""
    said = spoken()
    parts = {part.strip(" ()") for english in catalogue() for part in english.strip(". :").split("{}")}
    assert [part for part in parts if part not in said] == []
    assert all(re.search("[\u4e00-\u9fff]", chinese.replace("：", "一")) for chinese in catalogue().values())


@pytest.mark.parametrize("english", [one for one in catalogue() if "{}" in one])
def test_a_translation_takes_each_value_once_into_the_sentence(english):
    chinese, count = catalogue()[english], english.count("{}")
    places = [place for _, place, _, _ in string.Formatter().parse(chinese) if place is not None]
    assert places == [""] * count or sorted(places) == [str(number) for number in range(count)]
    values = [f"<{number}>" for number in range(count)]
    assert all(chinese.format(*values).count(value) == 1 for value in values)


def test_the_catalogue_is_one_of_gettext(tmp_path):
    text = (ROOT / "kgpt2/assets/locale/zh_CN.po").read_text("utf-8")
    assert text.count("\nmsgid ") == text.count("\nmsgstr ") == len(catalogue()) + 1
    assert '"Content-Type: text/plain; charset=UTF-8\\n"' in text
