import pytest
import yaml

from kgpt2.config.recipes import dump_config, load_config
from kgpt2.config.sections import Config
from kgpt2.errors import RequestError

GOOD = """\
model:
  from_scratch: {layers: 2, heads: 2, width: 64}
data:
  source: samples/tang
train:
  learning_rate: 5e-5
  steps: 10
"""


def write(tmp_path, text=GOOD):
    path = tmp_path / "run.yaml"
    path.write_text(text, "utf-8")
    return path


def refused(tmp_path, text=GOOD, *overrides) -> str:
    with pytest.raises(RequestError) as error:
        load_config(write(tmp_path, text), overrides)
    assert len(str(error.value).splitlines()) <= 2
    return str(error.value)


def test_numbers_are_read_as_yaml_1_2_has_them(tmp_path):
    assert load_config(write(tmp_path)).train.learning_rate == 5e-5


def test_a_dumped_configuration_reads_the_same(tmp_path):
    config = load_config(write(tmp_path), ["data.text={title}：{text}", "train.clip_norm=null"])
    assert load_config(write(tmp_path, dump_config(config))) == config


@pytest.mark.parametrize(
    ("override", "keys", "value"),
    [
        ("train.epochs=3", ("train", "epochs"), 3),
        ("train.learning_rate=1e-3", ("train", "learning_rate"), 1e-3),
        ("data.validation=held_out.txt", ("data", "validation"), "held_out.txt"),
        ("data.text={title}: {text}", ("data", "text"), "{title}: {text}"),
        ("data.text= {text} ", ("data", "text"), " {text} "),
        ("data.text={text}", ("data", "text"), "{text}"),
        ("data.text=' {text}'", ("data", "text"), " {text}"),
        ("data.prompt=null", ("data", "prompt"), None),
        ("model.from_scratch.width=128", ("model", "from_scratch", "width"), 128),
        ("data.script=simplified", ("data", "script"), "simplified"),
    ],
)
def test_overrides(tmp_path, override, keys, value):
    found = load_config(write(tmp_path), [override]).model_dump()
    for key in keys:
        found = found[key]
    assert found == value


def test_choosing_one_of_two_exclusive_keys_drops_the_other(tmp_path):
    config = load_config(write(tmp_path), ["train.epochs=3", "model.preset=gpt2_base_en"])
    assert (config.train.steps, config.model.from_scratch) == (None, None)
    assert "train: give either epochs or steps" in refused(tmp_path, GOOD, "train.epochs=3", "train.steps=4")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("  epocs: 3", "line 8: train.epocs: unknown key; did you mean epochs?"),
        ("  lr: 1.0e-4", "line 8: train.lr: unknown key; did you mean learning_rate?"),
        ("  lora_alpha: 1", "line 8: train.lora_alpha: unknown key; known keys: epochs"),
        ("  batch_size: three", "line 8: train.batch_size: 'three' will not do"),
        ("  batch_size: 0", "train.batch_size: 0 will not do"),
        ("  optimizer: sgd", "'adam' or 'adamw'"),
        ("  steps: 5", "line 8: not YAML (the key 'steps' is given twice)"),
        ("  warmup: 1.5", "train.warmup: 1.5 will not do"),
        (" bad", "not YAML"),
    ],
)
def test_mistakes_are_named_with_line_key_and_value(tmp_path, line, words):
    message = refused(tmp_path, GOOD + line + "\n")
    assert words in message
    assert "run.yaml" in message


def test_other_mistakes(tmp_path):
    assert "width 65 is no multiple of heads 2" in refused(tmp_path, GOOD, "model.from_scratch.width=65")
    assert "data: give either source or texts" in refused(
        tmp_path, GOOD.replace("  source: samples/tang", "  limit: 3")
    )
    assert "a configuration is a mapping" in refused(tmp_path, "- 1\n")
    assert "-o train.epochs: write it as key.key=value" in refused(tmp_path, GOOD, "train.epochs")
    assert "either preset or from_scratch" in refused(tmp_path, GOOD, "model.from_scratch=null")
    with pytest.raises(RequestError, match="there is no such configuration"):
        load_config(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.learning_rate=.inf", "train.learning_rate: inf will not do"),
        ("train.learning_rate=.nan", "train.learning_rate: nan will not do"),
        ("train.clip_norm=.inf", "train.clip_norm: inf will not do"),
        ("sample.temperature=.nan", "sample.temperature: nan will not do"),
        ("train.end_learning_rate=1e-4", "end_learning_rate 0.0001 is above learning_rate 5e-05"),
        ("train.weight_decay=3e4", "weight_decay 30000 at learning_rate 5e-05 takes all of a weight"),
        ("data.validation=0.9999", "data.validation: 0.9999 will not do"),
        ("model.sequence_length=1000000000000", "model.sequence_length: 1000000000000 will not do"),
        ("model.from_scratch.layers=2000000000", "model.from_scratch.layers: 2000000000 will not do"),
        ("train.learning_rate=1e39", "train.learning_rate: 1e+39 will not do"),
        ("train.steps=99999999999999999999", "train.steps: 99999999999999999999 will not do"),
    ],
)
def test_numbers_that_make_no_run(tmp_path, override, words):
    assert words in refused(tmp_path, GOOD, override)


def test_warmup_and_decay_share_the_run(tmp_path):
    both = ["train.schedule=wsd", "train.warmup=0.5", "train.decay=0.6"]
    assert "warmup 0.5 and decay 0.6 are more than the whole run" in refused(tmp_path, GOOD, *both)
    assert load_config(write(tmp_path), ["train.warmup=0.9", "train.decay=0.6"]).train.decay == 0.6


def test_yaml_cannot_run_code(tmp_path):
    evil = GOOD + "  seed: !!python/object/apply:os.system ['touch pwned']\n"
    assert "not YAML" in refused(tmp_path, evil)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD + "  seed: 2024-01-01\n", "'2024-01-01' will not do"),
        (GOOD + "  seed: 2024-13-45\n", "'2024-13-45' will not do"),
        (GOOD + "  seed: 12:30\n", "'12:30' will not do"),
        (GOOD + "  seed: !!timestamp x\n", "'x' will not do"),
        (GOOD + "  seed: !!bool x\n", "line 8: not YAML (neither true nor false)"),
        (GOOD + "  seed: !!int x\n", "line 8: not YAML (not a number)"),
        (GOOD + "  seed: " + "1" * 5000, "line 8: not YAML (not a number)"),
        (GOOD + "  seed: !!int " + ":".join(["1"] * 99_000), "will not do"),
        (GOOD + "  seed: &a [*a]\n", "an alias; write the value out"),
        (GOOD + '  "\\e[2J": 1\n', r"train.\x1b[2J: unknown key"),
        (GOOD + "  seed: " + "[" * 20_000, "not YAML"),
        ("".join(f"k{number}: 1\n" for number in range(20_000)), "missing, and there is no default"),
        ("#" * 600_000, "texts belong into a file of data"),
    ],
    ids=["day", "no-day", "hour", "tag", "bool", "int", "digits", "base", "alias", "escape", "nested", "keys", "size"],
)
def test_what_yaml_makes_of_values_is_told_in_time(tmp_path, text, words):
    assert words in refused(tmp_path, text)


@pytest.mark.parametrize(
    "value", ['{seed: !!int ""}', '{seed: !!float "+"}', "!!map [a]", "!!map x", "{a: !!bool [a]}"]
)
def test_tags_that_call_a_value_what_it_is_not(tmp_path, value):
    assert "run.yaml, line 1: not YAML (" in refused(tmp_path, f"train: {value}\n")


def test_a_name_that_looks_like_a_date_is_a_text(tmp_path):
    assert load_config(write(tmp_path), ["data.source=2024-01-01"]).data.source == "2024-01-01"
    assert "'2024-13-45' will not do" in refused(tmp_path, GOOD, "train.seed=2024-13-45")


def test_every_shipped_configuration_is_valid(pytestconfig):
    paths = sorted((pytestconfig.rootpath / "configs").glob("*.yaml"))
    assert paths
    for path in paths:
        config = load_config(path)
        assert Config.model_validate(yaml.safe_load(dump_config(config))) == config


def test_what_others_call_a_key_leads_to_a_key_that_there_is():
    from kgpt2.config import sections
    from kgpt2.config.recipes import _ELSEWHERE

    every = (sections.FromScratch, sections.Lora, sections.ModelSection, sections.DataSection, sections.TrainSection)
    keys = {key for section in every for key in section.model_fields}
    assert set(_ELSEWHERE.values()) <= keys
    assert not keys & _ELSEWHERE.keys()
