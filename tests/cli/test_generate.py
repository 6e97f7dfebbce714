import json
import re

import pytest

SPEED = re.compile(r"(\d+) new tokens in [\d.]+ s: [\d.]+ tokens/s \(start-up [\d.]+ s\)")
KEYS = ["prompt", "index", "text", "completion", "token_ids", "new_tokens", "finish_reason", "seed"]


def objects(result):
    assert result.status == 0, result.err
    return [json.loads(line) for line in result.out.splitlines()]


@pytest.mark.backends
@pytest.mark.parametrize("sampler", ["greedy", "top_k", "top_p", "random"])
def test_json(kgpt2, chinese_preset, sampler):
    options = ["--sampler", sampler, "--k", "5", "--temperature", "0.8", "--seed", "7", "-n", "2"]
    result = kgpt2("generate", "春眠", "白日依山", "--model", chinese_preset, "--json", "--max-new-tokens", 9, *options)
    found = objects(result)
    assert [(o["prompt"], o["index"]) for o in found] == [(p, i) for p in ("春眠", "白日依山") for i in (0, 1)]
    from kgpt2.checkpoints.preset import read_preset

    tokenizer = read_preset(chinese_preset).tokenizer
    for o in found:
        assert list(o) == KEYS
        assert o["text"] == o["prompt"] + o["completion"] == tokenizer.decode(o["token_ids"])
        assert o["token_ids"][: len(o["prompt"]) + 1] == [tokenizer.start_id, *tokenizer.encode(o["prompt"])]
        assert len(o["token_ids"]) == 1 + len(o["prompt"]) + o["new_tokens"]
        assert o["finish_reason"] == ("length" if o["new_tokens"] == 9 else "stop")
        assert o["seed"] == 7
    last = result.err.splitlines()[-1]
    assert int(SPEED.fullmatch(last)[1]) == sum(o["new_tokens"] for o in found)


def test_the_same_seed_gives_the_same_text_in_another_process(process, chinese_preset):
    command = ["-m", "kgpt2", "generate", "春眠", "花落", "--model", chinese_preset, "-n", "2"]
    first, again = (process(*command, "--seed", "5") for _ in range(2))
    assert first.status == 0, first.err
    assert first.out == again.out
    assert len(first.out.splitlines()) == 4
    assert len(first.err.splitlines()) == 1, "nothing but the speed"
    other = process(*command)
    seed = re.match(r"seed (\d+)\n", other.err)[1]
    assert process(*command, "--seed", seed).out == other.out


@pytest.mark.slow
def test_it_runs_on_jax_too(process, chinese_preset):
    pytest.importorskip("jax")
    command = ["-m", "kgpt2", "generate", "春眠", "--model", chinese_preset, "--sampler", "greedy", "--json"]
    on_jax = process(*command, KERAS_BACKEND="jax")
    assert on_jax.status == 0, on_jax.err
    on_tensorflow = process(*command, KERAS_BACKEND="tensorflow")
    assert json.loads(on_jax.out)["token_ids"] == json.loads(on_tensorflow.out)["token_ids"]


def test_prompts_from_a_file_and_results_to_one(kgpt2, chinese_preset, tmp_path):
    (tmp_path / "prompts.txt").write_text("春眠\r\n\n白日\n", "utf-8")
    arguments = ["--model", chinese_preset, "--prompts", tmp_path / "prompts.txt", "--sampler", "greedy"]
    shown = kgpt2("generate", *arguments)
    assert [line[:2] for line in shown.out.splitlines()] == ["春眠", "白日"]
    written = kgpt2("generate", *arguments, "--out", tmp_path / "out.txt")
    assert written.out == ""
    assert (tmp_path / "out.txt").read_text("utf-8") == shown.out
    assert "both" in kgpt2("generate", "春", *arguments).err


def test_prompts_from_stdin(kgpt2, chinese_preset, monkeypatch):
    import io
    import sys

    stdin = io.TextIOWrapper(io.BytesIO("春眠\n".encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    result = kgpt2("generate", "--prompts", "-", "--model", chinese_preset, "--sampler", "greedy")
    assert result.out.startswith("春眠")


@pytest.mark.parametrize(
    ("options", "idle"),
    [
        (["--sampler", "greedy", "--k", "5", "--temperature", "2"], ["--k", "--temperature"]),
        (["--sampler", "top_k", "--k", "5", "--p", "0.5"], ["--p"]),
        (["--sampler", "random", "--beams", "2", "--min-p", "0.1"], ["--beams"]),
        (["--sampler", "beam", "--beams", "2", "--typical-p", "0.5"], ["--typical-p"]),
        (["--k", "5", "--p", "0.5", "--min-p", "0.1"], []),
    ],
)
def test_an_option_that_the_sampler_does_not_look_at_is_said(kgpt2, chinese_preset, options, idle):
    done = kgpt2("generate", "春", "--model", chinese_preset, *options, "--max-new-tokens", "2")
    assert done.status == 0
    assert [line.split()[1] for line in done.err.splitlines() if "changes nothing" in line] == idle


@pytest.mark.parametrize(("sampler", "said"), [("greedy", True), ("top_k", False)])
def test_texts_that_are_the_same_are_said_to_be(kgpt2, chinese_preset, sampler, said):
    done = kgpt2("generate", "春", "--model", chinese_preset, "--sampler", sampler, "-n", 2, "--max-new-tokens", 2)
    assert ("note: --sampler greedy draws nothing, so -n 2 gives the same text again" in done.err) is said


def test_lengths(kgpt2, chinese_preset):
    arguments = ["generate", "春眠", "--model", chinese_preset, "--json", "--sampler", "random", "--seed", "1"]
    assert len(objects(kgpt2(*arguments, "--max-length", "6"))[0]["token_ids"]) <= 6
    assert "leaves nothing" in kgpt2(*arguments, "--max-length", "3").err
    assert len(objects(kgpt2(*arguments))[0]["token_ids"]) <= 64


def test_default_bans(kgpt2, chinese_preset):
    arguments = ["generate", "春", "--model", chinese_preset, "--json", "--sampler", "random", "--seed", "1"]
    arguments += ["--temperature", "50", "-n", "40"]
    special = {0, 1, 2, 4}

    def used(*more):
        return {token for o in objects(kgpt2(*arguments, *more)) for token in o["token_ids"][2:]}

    assert not used() & special
    assert used("--no-default-bans") & special


def test_english(kgpt2, english_preset):
    result = kgpt2("generate", "hello", "--model", english_preset, "--json", "--seed", "1", "--max-new-tokens", "5")
    found = objects(result)[0]
    assert found["text"] == "hello" + found["completion"]
    assert found["new_tokens"] <= 5


def test_a_stream_prints_the_same_text(kgpt2, chinese_preset):
    options = ["--model", chinese_preset, "--seed", 5, "--max-new-tokens", 12]
    plain = kgpt2("generate", "春眠", "花落", *options)
    streamed = kgpt2("generate", "春眠", "花落", "--stream", *options)
    assert streamed.out == plain.out
    assert streamed.status == 0
    for wrong in (["--json"], ["-n", 2], ["--out", "x"]):
        assert kgpt2("generate", "春", "--stream", *wrong, *options).status == 2


def test_logprobs_stops_and_bans(kgpt2, chinese_preset):
    # No character comes twice, so that the second is not the first.
    options = ["--model", chinese_preset, "--seed", 5, "--max-new-tokens", 12, "--json", "--no-repeat-ngram", 1]
    plain = json.loads(kgpt2("generate", "春眠", *options).out)
    assert "logprobs" not in plain
    second = plain["completion"][1]
    stopped = json.loads(kgpt2("generate", "春眠", "--stop", second, "--logprobs", *options).out)
    assert stopped["completion"] == plain["completion"][0]
    assert stopped["finish_reason"] == "stop"
    assert len(stopped["logprobs"]) == stopped["new_tokens"] == 2
    banned = json.loads(kgpt2("generate", "春眠", "--ban", second, *options).out)
    assert second not in banned["completion"]


def test_runtimes_and_types(kgpt2, chinese_preset):
    options = ["generate", "春眠", "--model", chinese_preset, "--seed", 5, "--max-new-tokens", 12]
    assert kgpt2(*options, "--runtime", "keras").out == kgpt2(*options, "--runtime", "openvino").out
    assert kgpt2(*options, "--dtype", "int8").status == 0
    result = kgpt2(*options, "--dtype", "int4", "--runtime", "keras")
    assert result.status == 2
    assert "int4 is for the openvino runtime" in result.err


@pytest.mark.slow
def test_on_a_cpu_neither_keras_nor_a_backend_is_imported(process, chinese_preset):
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('torch', 'tensorflow', 'jax', 'keras', 'keras_hub', 'transformers')))\n"
        f"sys.argv = ['kgpt2', 'generate', '春眠', '--model', {str(chinese_preset)!r}]\n"
        "from kgpt2.cli.main import main; main()"
    )
    result = process("-c", program)
    assert result.status == 0, result.err
    assert result.out.startswith("春眠")


def test_the_cache_can_be_cleared(kgpt2, chinese_preset, monkeypatch, tmp_path):
    monkeypatch.setenv("KGPT2_CACHE", str(tmp_path))
    assert kgpt2("generate", "春眠", "--model", chinese_preset).status == 0
    assert list((tmp_path / "compiled").iterdir())
    assert json.loads(kgpt2("models", "--clear-cache", "--json").out)["bytes"] > 0
    assert not list((tmp_path / "compiled").iterdir())
    assert "0 bytes removed" in kgpt2("models", "--clear-cache").err


def test_tokenize(kgpt2, chinese_preset):
    result = kgpt2("tokenize", "春眠", "x", "--model", chinese_preset)
    assert [token.split(":")[0] for token in result.out.split()] == ["春", "眠", "[UNK]"]
    report = json.loads(kgpt2("tokenize", "春眠", "--model", chinese_preset, "--json").out)
    assert report["tokens"] == ["春", "眠"]
    assert report["decoded"] == "春眠"
    assert kgpt2("tokenize", "--model", chinese_preset).status == 2


@pytest.mark.parametrize("runtime", ["openvino", "keras"])
def test_past_the_context(kgpt2, chinese_preset, runtime):
    options = ["generate", "春眠", "--model", chinese_preset, "--json", "--seed", 1, "--runtime", runtime]
    result = kgpt2(*options, "--max-new-tokens", 100, "--min-new-tokens", 100)
    assert objects(result)[0]["new_tokens"] == 100
    assert "note: 103 tokens do not fit the context of 64" in result.err
    if runtime == "openvino":
        assert "note" not in kgpt2(*options, "--max-new-tokens", 30).err


def test_beams(kgpt2, chinese_preset):
    options = [
        "generate",
        "春眠",
        "白日",
        "--model",
        chinese_preset,
        "--json",
        "--sampler",
        "beam",
        "--max-new-tokens",
        9,
    ]
    found = objects(kgpt2(*options, "--beams", 3, "-n", 3, "--length-penalty", "0.5"))
    assert [(o["prompt"], o["index"]) for o in found] == [(p, i) for p in ("春眠", "白日") for i in range(3)]
    assert len({o["text"] for o in found}) == 6
    assert objects(kgpt2(*options, "--beams", 3, "--length-penalty", "0.5"))[0]["text"] == found[0]["text"]
    for wrong, words in [
        (["-n", 5], "num_return"),
        (["--beams", 0], "beams"),
        (["--stream"], "--stream"),
        (["--max-new-tokens", 100], "beam search does not go past it"),
    ]:
        refused = kgpt2(*[option for option in options if option != "--json"], *wrong)
        assert refused.status == 2
        assert words in refused.err


def test_verse(kgpt2, verse_preset):
    options = [
        "--form",
        "七绝",
        "--tones",
        "strict",
        "--rhyme",
        "pingshui",
        "--temperature",
        "1.5",
        "--json",
        "-n",
        "3",
    ]
    found = objects(kgpt2("generate", "春风", "--model", verse_preset, *options))
    assert all(re.fullmatch(r"春风\w{5}，\w{7}。\w{7}，\w{7}。", one["text"]) for one in found)
    assert {one["finish_reason"] for one in found} == {"stop"}
    result = kgpt2("generate", "--model", verse_preset, "--acrostic", "春夏秋冬", "--script", "traditional")
    assert [line[0] for line in re.split("[，。]", result.out.strip()) if line] == list("春夏秋冬")


@pytest.mark.parametrize(
    ("prompt", "options", "words"),
    [
        ("春眠不觉晓来", ["--form", "五绝"], "'来' in line 1 after 5 characters"),
        ("春眠不觉晓。", ["--form", "五绝"], "where '，' belongs"),
        ("床前明月光，", ["--form", "五绝", "--tones", "strict"], "'光' is 平 where 仄 belongs"),
        ("", ["--form", "天净沙月"], "neither a name"),
        ("", ["--form", "五绝", "--stop", "。"], "stop"),
        ("", ["--rhyme", "modern"], "rhyme: belongs to a form"),
        ("春", ["--script", "latin"], "script"),
    ],
)
def test_verse_that_cannot_be(kgpt2, verse_preset, prompt, options, words):
    result = kgpt2("generate", prompt, "--model", verse_preset, *options)
    assert result.status == 2
    assert words in result.err
    assert len(result.err.strip().splitlines()) <= 2


def test_what_the_model_does_not_know_is_said(kgpt2, verse_preset, tmp_path):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("春风\n\n龘龘日，鱻\n龘日\n", "utf-8")
    result = kgpt2("generate", "--prompts", prompts, "--model", verse_preset)
    notes = [line for line in result.err.splitlines() if line.startswith("note")]
    assert notes == [f"note: {prompts}, line 3: the model does not know 鱻 龘, and reads [UNK]"]


def test_every_word_that_becomes_unk_is_named_and_every_mark_that_is_read_instead(kgpt2, chinese_preset):
    prompts = ["春ＡＢＣ１２３眠", "春" + "a" * 120, "山風,", "春眠，"]
    result = kgpt2("generate", *prompts, "--model", chinese_preset, "--max-new-tokens", 1)
    notes = [line for line in result.err.splitlines() if line.startswith("note")]
    assert notes == [
        "note: the model does not know ＡＢＣ１２３, and reads [UNK]",
        f"note: the model does not know {'a' * 40}… (120 characters), and reads [UNK]",
    ]


def test_a_mark_that_is_read_in_another_form_is_noted(kgpt2, tmp_path, chinese_preset):
    import shutil

    folder = tmp_path / "half-width"
    shutil.copytree(chinese_preset, folder)
    vocabulary = folder / "assets/tokenizer/vocabulary.txt"
    vocabulary.write_text(vocabulary.read_text("utf-8").replace("，", ","), "utf-8")
    result = kgpt2("generate", "春眠，", "春眠,", "--model", folder, "--max-new-tokens", 1, "--json")
    assert [line for line in result.err.splitlines() if "note" in line] == [
        "note: the model does not know ，, and reads ,"
    ]
    first, second = objects(result)
    assert (first["prompt"], second["prompt"]) == ("春眠，", "春眠,")
    assert first["token_ids"][:4] == second["token_ids"][:4]


def test_as_typed_nothing_is_rewritten(kgpt2, chinese_preset):
    options = ["春眠,", "--model", chinese_preset, "--max-new-tokens", 1, "--sampler", "greedy", "--json"]
    (read,), (typed,) = objects(kgpt2("generate", *options)), objects(kgpt2("generate", *options, "--as-typed"))
    assert (read["prompt"], typed["prompt"]) == ("春眠,", "春眠,")
    assert read["text"].startswith("春眠，")
    assert typed["text"].startswith("春眠,")
    assert read["token_ids"][:4] != typed["token_ids"][:4]


def test_a_prompt_of_a_file_that_does_not_fit_is_named_by_its_line(kgpt2, verse_preset, tmp_path):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("春风\n\n白日依山尽。\n", "utf-8")
    result = kgpt2("generate", "--prompts", prompts, "--model", verse_preset, "--form", "五绝")
    assert result.status == 2
    assert f"{prompts}, line 3: the prompt '白日依山尽。' does not fit" in result.err


def test_logprobs_need_a_place(kgpt2, verse_preset):
    result = kgpt2("generate", "春", "--model", verse_preset, "--logprobs")
    assert (result.status, result.out) == (2, "")
    assert "--json" in result.err


def test_a_prompt_as_the_model_reads_it(kgpt2, verse_preset):
    result = kgpt2("generate", "[CLS]春眠不觉晓,", "--model", verse_preset, "--form", "五绝", "-v", "--json")
    assert "the model reads '春眠不觉晓，' (7 tokens, start token included)" in result.err
    (found,) = objects(result)
    assert found["prompt"] == "[CLS]春眠不觉晓,"
    assert found["text"].startswith("春眠不觉晓，")
    assert found["text"] == "春眠不觉晓，" + found["completion"]
