"""The real openai client against the server; texts are those of `kgpt2 generate`."""

import json
from itertools import chain

import openai
import pytest

from kgpt2.errors import Note

PROMPT = "白日依山尽，"


@pytest.fixture
def client(address):
    return openai.OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0)


def test_a_text_is_that_of_the_command(client, kgpt2):
    answer = client.completions.create(model="mini_zh", prompt=PROMPT, max_tokens=24, seed=5)
    told = kgpt2("generate", PROMPT, "--max-new-tokens", 24, "--seed", 5)
    assert PROMPT + answer.choices[0].text == told.out.rstrip("\n")
    assert answer.object == "text_completion"
    assert answer.model == "mini_zh"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_several_prompts_and_continuations_come_in_order(client, lm):
    prompts = ["春风", "明月"]
    answer = client.completions.create(model="mini_zh", prompt=prompts, n=3, max_tokens=10, seed=1)
    wanted = lm.generate(prompts, num_return=3, max_new_tokens=10, seed=1)
    assert [one.text for one in answer.choices] == [one.completion for one in wanted]
    assert [one.finish_reason for one in answer.choices] == [one.finish_reason for one in wanted]
    assert [one.index for one in answer.choices] == list(range(6))


def test_a_stream_is_the_same_text(client, lm):
    pieces = client.completions.create(
        model="mini_zh", prompt=["春风", ""], n=2, max_tokens=40, seed=3, stream=True, extra_body={"no_repeat_ngram": 2}
    )
    texts, reasons = [""] * 4, [None] * 4
    for piece in pieces:
        (choice,) = piece.choices
        texts[choice.index] += choice.text
        reasons[choice.index] = choice.finish_reason
    wanted = lm.generate(["春风", ""], num_return=2, max_new_tokens=40, seed=3, no_repeat_ngram=2)
    assert texts == [one.completion for one in wanted]
    assert reasons == [one.finish_reason for one in wanted]


def test_a_stream_ends_with_usage_and_done(http):
    asked = {"prompt": "春", "max_tokens": 5, "stream": True, "stream_options": {"include_usage": True}}
    lines = [line for line in http.post("/v1/completions", json=asked).text.split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    assert '"choices": [], "usage": {"prompt_tokens": 2' in lines[-2]


def test_verse_by_our_own_settings(client, lm):
    own = {"form": "七绝", "tones": "strict", "rhyme": "pingshui", "title": "秋夜", "keywords": ["明月"]}
    answer = client.completions.create(model="mini_zh", prompt="", seed=2, extra_body=own)
    assert answer.choices[0].text == str(lm.generate("", seed=2, **own)[0])
    assert answer.choices[0].finish_reason == "stop"
    best = client.completions.create(model="mini_zh", prompt="", seed=2, best_of=6, n=2, extra_body=own)
    assert [one.text for one in best.choices] == [
        str(one) for one in lm.generate("", seed=2, best_of=6, num_return=2, **own)
    ]


@pytest.mark.parametrize(
    ("asked", "settings"),
    [
        ({"temperature": 0}, {"sampler": "greedy"}),
        ({"temperature": 0.7, "top_p": 0.8}, {"temperature": 0.7, "p": 0.8}),
        ({"stop": ["。", "-"]}, {"stop": ("。", "-")}),
        ({"extra_body": {"top_k": 3, "sampler": "top_k"}}, {"k": 3, "sampler": "top_k"}),
        ({"extra_body": {"min_p": 0.1, "repetition_penalty": 1.2}}, {"min_p": 0.1, "repetition_penalty": 1.2}),
        ({"extra_body": {"script": "traditional"}}, {"script": "traditional"}),
        ({"stop": None, "top_p": None}, {}),
    ],
)
def test_settings_mean_what_they_mean_elsewhere(client, lm, asked, settings):
    answer = client.completions.create(model="mini_zh", prompt=PROMPT, max_tokens=20, seed=9, **asked)
    assert answer.choices[0].text == lm.generate(PROMPT, max_new_tokens=20, seed=9, **settings)[0].completion


def test_a_drawn_seed_is_told(client):
    first = client.completions.create(model="mini_zh", prompt="春")
    again = client.completions.create(model="mini_zh", prompt="春", seed=first.seed)
    assert first.choices[0].text == again.choices[0].text


def test_log_probabilities(client, lm):
    asked = {"model": "mini_zh", "prompt": "春风", "max_tokens": 8, "seed": 4, "logprobs": 3}
    (choice,) = client.completions.create(**asked).choices
    (wanted,) = lm.generate("春风", max_new_tokens=8, seed=4, logprobs=True)
    assert choice.logprobs.token_logprobs == pytest.approx(wanted.logprobs, abs=1e-4)
    assert "".join(choice.logprobs.tokens) == choice.text
    assert choice.logprobs.text_offset[0] == 2
    assert all(len(best) == 3 for best in choice.logprobs.top_logprobs)
    streamed = [piece.choices[0].logprobs for piece in client.completions.create(**asked, stream=True)]
    assert [*chain.from_iterable(one.tokens for one in streamed)] == choice.logprobs.tokens
    assert [*chain.from_iterable(one.text_offset for one in streamed)] == choice.logprobs.text_offset


def test_an_echo_scores_the_prompt(client, lm):
    asked = {"model": "mini_zh", "prompt": "春风又绿", "max_tokens": 4, "seed": 4, "echo": True, "logprobs": 0}
    (choice,) = client.completions.create(**asked).choices
    assert choice.text.startswith("春风又绿")
    (score,) = lm.score("春风又绿")
    assert choice.logprobs.token_logprobs[:4] == pytest.approx(score.logprobs[:4], abs=1e-4)
    assert choice.logprobs.text_offset[:5] == [0, 1, 2, 3, 4]
    streamed = list(client.completions.create(**asked, stream=True))
    assert "".join(piece.choices[0].text for piece in streamed) == choice.text
    assert [*chain.from_iterable(piece.choices[0].logprobs.tokens for piece in streamed)] == choice.logprobs.tokens


@pytest.mark.parametrize(
    ("asked", "param", "message"),
    [
        ({"extra_body": {"top_pp": 1}}, "top_pp", "there is no such setting; did you mean top_p?"),
        ({"top_p": 2}, "top_p", "top_p: 2.0 will not do"),
        ({"max_tokens": 0}, "max_tokens", "max_tokens: 0 will not do"),
        ({"max_tokens": 10**6}, "max_tokens", "this server allows 4,096"),
        ({"n": 100}, "n", "n: 100 texts in one request, this server takes 64"),
        ({"best_of": 100, "n": 2}, "best_of", "best_of: 100 texts in one request"),
        ({"prompt": ["春"] * 65}, "prompt", "prompt: 65 texts in one request"),
        ({"temperature": -1}, "temperature", "it must be a number from 1e-06 to 1e+06 (or 0: greedy)"),
        ({"presence_penalty": 0.5}, "presence_penalty", "must be 0 or null here; for fewer repeats set repetition_pen"),
        ({"frequency_penalty": -2}, "frequency_penalty", "must be 0 or null here"),
        ({"logit_bias": {"5": -100}}, "logit_bias", "must be {} or null here; to keep a text out set ban"),
        ({"suffix": "秋"}, "suffix", 'must be "" or null here; texts are continued, not filled in'),
        ({"prompt": []}, "prompt", "an empty list"),
        ({"prompt": [1, 2]}, "prompt", "must be a text"),
        ({"prompt": "春" * 127}, None, "the model's context is 128"),
        ({"extra_body": {"form": "八绝"}}, "form", "neither a name that is known"),
        ({"extra_body": {"sampler": "beam"}}, "sampler", "must be one of"),
        ({"extra_body": {"script": "traditional"}, "stream": True}, "stream", "need them whole"),
        ({"extra_body": {"rhyme": "modern"}}, "rhyme", "belongs to a form"),
        ({"extra_body": {"repeats": "none"}}, "repeats", "belongs to a form"),
    ],
)
def test_what_is_wrong_is_told_as_openai_tells_it(client, asked, param, message):
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(**{"model": "mini_zh", "prompt": "春", **asked})
    assert message in refused.value.body["message"]
    assert refused.value.body["param"] == param
    assert refused.value.body["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"prompt": "春", "kk": 1}, "kk：没有这项设置"),
        ({"prompt": "春", "top_k": -1}, "top_k：-1 不行，须为从 0 到"),
        ({"prompt": "春", "form": "七言"}, "既不是已知的体裁"),
        ({"prompt": "春", "max_tokens": 10**6}, "max_tokens：1,000,000 不行，此服务器最多"),
        ({"prompt": ["春"] * 10**4}, "prompt：一次请求 10,000 篇，此服务器最多"),
    ],
)
def test_a_reader_of_chinese_is_answered_in_chinese(http, asked, words):
    spoken = {languages: _told(http, asked, languages) for languages in ("zh-CN,zh;q=0.9,en;q=0.8", "en,zh;q=0.5", "")}
    chinese, english, unsaid = spoken.values()
    assert words in chinese
    assert english == unsaid != chinese


def _told(http, asked, languages):
    answer = http.post("/v1/completions", json=asked, headers={"Accept-Language": languages})
    assert answer.status_code == 400
    return answer.json()["error"]["message"]


# What the client's documentation names as defaults, and null wherever its types allow it.
NEUTRAL = {
    **{"best_of": 1, "n": 1, "echo": False, "frequency_penalty": 0, "presence_penalty": 0.0, "logit_bias": {}},
    **{"logprobs": None, "suffix": None, "temperature": 1, "top_p": 1, "stop": None, "user": "one"},
}


@pytest.mark.parametrize("asked", [NEUTRAL, dict.fromkeys(NEUTRAL, None), {"suffix": "", "stop": []}])
@pytest.mark.parametrize("stream", [None, True])
def test_neutral_values_change_nothing(client, lm, asked, stream):
    options = {"include_usage": None, "include_obfuscation": False} if stream else None
    asked = asked | {"stream": stream, "stream_options": options}
    answer = client.completions.create(model="mini_zh", prompt=PROMPT, max_tokens=20, seed=9, **asked)
    text = "".join(piece.choices[0].text for piece in answer) if stream else answer.choices[0].text
    wanted = lm.generate(PROMPT, max_new_tokens=20, seed=9, **({"p": 1} if asked.get("top_p") else {}))
    assert text == wanted[0].completion


def test_every_parameter_of_the_client_is_known():
    from openai.types.completion_create_params import CompletionCreateParamsNonStreaming

    from kgpt2.serve.asking import KEYS

    assert CompletionCreateParamsNonStreaming.__annotations__.keys() | {"stream"} <= {*KEYS}


def test_no_prompt_is_an_empty_one(client, lm):
    answer = client.completions.create(model="mini_zh", prompt=None, max_tokens=20, seed=9)
    assert answer.choices[0].text == lm.generate("", max_new_tokens=20, seed=9)[0].completion


def test_models(client):
    assert [one.id for one in client.models.list()] == ["mini_zh"]
    with pytest.raises(openai.NotFoundError, match="mini_zh is"):
        client.completions.create(model="gpt-5", prompt="春")


@pytest.mark.parametrize("stream", [False, True])
def test_rules_that_gave_way_are_told(http, lm, stream):
    asked = {"prompt": "疑是地上霜，", "form": "五绝", "seed": 1, "stream": stream}
    text = http.post("/v1/completions", json=asked).text
    told = json.loads(text.splitlines()[0].removeprefix("data: "))
    with pytest.warns(Note) as warned:
        lm.generate(asked["prompt"], form=asked["form"], seed=1)
    assert told["notes"] == [str(one.message) for one in warned]
    chinese = http.post("/v1/completions", json=asked | {"stream": False}, headers={"Accept-Language": "zh-CN"}).json()
    assert len(chinese["notes"]) == len(told["notes"])
    assert chinese["notes"] == ["'疑是地上霜，': 开头不合平仄谱（霜）：后文合谱"]
    assert "notes" not in http.post("/v1/completions", json={"prompt": "春", "max_tokens": 2}).json()


def test_a_text_that_outgrows_the_context_is_told(http):
    asked = {"prompt": "春", "max_tokens": 300, "seed": 1}
    note = "302 tokens do not fit the context of 128: the model then sees the last part of a text"
    assert http.post("/v1/completions", json=asked).json()["notes"] == [note]
    chinese = http.post("/v1/completions", json=asked, headers={"Accept-Language": "zh"}).json()["notes"]
    assert chinese == ["302 个词元超出上下文 128：模型只能看到文本的后一段"]
