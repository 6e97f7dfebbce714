import json

import pytest

from kgpt2.checkpoints.preset import read_preset

LINES = ["春眠不觉晓，处处闻啼鸟。", "白日依山尽", "白日依山尽", "龘"]
KEYS = ["model", "data", "dtype", "loss", "perplexity", "bits_per_character", "accuracy", "tokens", "characters"]


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(LINES) + "\n", "utf-8")
    return path


def test_json(kgpt2, chinese_preset, lines):
    result = kgpt2("evaluate", chinese_preset, "--data", lines, "--json")
    assert result.status == 0, result.err
    report = json.loads(result.out)
    assert list(report)[: len(KEYS)] == KEYS
    assert report["examples"] == 4, "nothing is deduplicated"
    codec = read_preset(chinese_preset).tokenizer
    assert report["tokens"] == sum(len(codec.encode(line)) + 1 for line in LINES)
    assert report["characters"] == sum(map(len, LINES))
    assert report["unknown_fraction"] == pytest.approx(1 / report["tokens"])
    on_keras = json.loads(kgpt2("evaluate", chinese_preset, "--data", lines, "--json", "--runtime", "keras").out)
    assert on_keras["loss"] == pytest.approx(report["loss"], rel=1e-5)
    assert on_keras["accuracy"] == report["accuracy"]


def test_the_loss_of_a_text_is_what_score_says(kgpt2, chinese_preset, lines):
    import kgpt2 as package

    lines.write_text("春眠不觉晓\n", "utf-8")
    report = json.loads(kgpt2("evaluate", chinese_preset, "--data", lines, "--json").out)
    assert report["loss"] == pytest.approx(package.load(chinese_preset).score("春眠不觉晓")[0].loss, rel=1e-5)


@pytest.mark.parametrize(
    ("template", "text"),
    [(" {t}", " hello world"), ("{t} ", "hello world "), ("{t}", "hello world"), ("\t{t}", "\thello world")],
)
def test_the_spaces_of_a_template_are_scored(kgpt2, english_preset, tmp_path, template, text):
    import kgpt2 as package

    (tmp_path / "a.csv").write_text("t\nhello world\n", "utf-8")
    options = ["evaluate", english_preset, "--data", tmp_path / "a.csv", "--text", template, "--json"]
    report = json.loads(kgpt2(*options).out)
    lm = package.load(english_preset)
    assert report["tokens"] == len(lm.tokenizer.encode(text)) + 1
    assert report["loss"] == pytest.approx(lm.score(text)[0].loss, rel=1e-5)


def test_texts_are_scored_as_prompts_are_read(kgpt2, chinese_preset, tmp_path):
    import kgpt2 as package

    lm = package.load(chinese_preset)
    (tmp_path / "a.txt").write_bytes("春眠不觉晓,处处闻啼鸟.\n".encode("utf-16"))
    options = ["evaluate", chinese_preset, "--data", tmp_path / "a.txt", "--json"]
    assert kgpt2(*options).status == 2
    result = kgpt2(*options, "--encoding", "utf-16")
    report = json.loads(result.out)
    assert report["unknown_fraction"] == 0
    assert report["loss"] == pytest.approx(lm.score("春眠不觉晓，处处闻啼鸟。")[0].loss, rel=1e-5)
    assert report["loss"] == pytest.approx(lm.score("春眠不觉晓,处处闻啼鸟.")[0].loss, rel=1e-5)
    assert "1 cleaned: marks or characters" in result.err
    typed = json.loads(kgpt2(*options, "--encoding", "utf-16", "--as-typed").out)
    assert typed["unknown_fraction"] == pytest.approx(2 / 13)
    assert typed["loss"] == pytest.approx(lm.score("春眠不觉晓,处处闻啼鸟.", as_typed=True)[0].loss, rel=1e-5)


def test_text_for_people_and_a_report(kgpt2, chinese_preset, lines, tmp_path):
    report = tmp_path / "report.md"
    result = kgpt2("evaluate", chinese_preset, "--data", lines, "--limit", 2, "--generate", "--out", report)
    assert result.status == 0, result.err
    assert "perplexity" in result.out
    assert "generated rouge l" in result.out
    written = report.read_text("utf-8")
    assert "| examples | 2 |" in written
    assert "| 春眠不觉晓， |" in written


def test_generated_texts_are_scored(kgpt2, chinese_preset, lines):
    options = ["evaluate", chinese_preset, "--data", lines, "--json", "--generate", "--train", lines]
    found = json.loads(kgpt2(*options).out)["generation"]
    assert found["texts"] == 4
    names = ["bleu", "chrf", "rouge_l", "meteor", "precision", "recall", "f1", "distinct_1", "distinct_2", "self_bleu"]
    assert list(found)[1:11] == names
    assert all(0 <= found[name] <= 1 for name in [*names, "repetition", "unknown_fraction", "copy_rate"])
    assert json.loads(kgpt2(*options).out)["generation"] == found, "the seed is fixed"
    longer = json.loads(kgpt2(*options, "--prompt-characters", 3).out)["generation"]
    assert longer["f1"] != found["f1"]
    assert kgpt2(*options, "--prompt-characters", 100).status == 2


def test_verse_is_measured_by_its_rules(kgpt2, verse_preset):
    options = ["evaluate", verse_preset, "--data", "samples/couplets", "--limit", 6, "--generate", "--json"]
    found = json.loads(kgpt2(*options).out)["generation"]
    assert found["verses"] == 6
    assert 0 <= found["form_validity"] < 1, "nothing holds a random model to the form"
    assert {"tone_agreement", "parallelism", "repeated_characters"} < set(found)
    assert found["rhyme"] is None, "couplets do not rhyme"
    assert "generated rhyme" in kgpt2(*options[:-1]).out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "missing.txt"], "missing.txt"),
        ([], "--data"),
        (["--data", "samples/couplets", "--stride", "0"], "--stride: 0"),
        (["--data", "samples/couplets", "--dtype", "int8", "--runtime", "keras"], "dtype"),
    ],
)
def test_requests_that_cannot_be(kgpt2, chinese_preset, arguments, words):
    result = kgpt2("evaluate", chinese_preset, *arguments)
    assert result.status == 2
    assert words in result.err


def test_an_empty_text_is_refused(kgpt2, chinese_preset, tmp_path):
    (tmp_path / "empty.txt").write_text("\n\n", "utf-8")
    result = kgpt2("evaluate", chinese_preset, "--data", tmp_path / "empty.txt")
    assert result.status == 2
    assert "no text" in result.err
