"""Requests share batches, and each gets what it gets alone."""

import asyncio
import concurrent.futures
import json
import random

import httpx
import pytest

import kgpt2
import kgpt2.serve
from kgpt2.serve import growth
from kgpt2.serve.limits import Limits


def asked(number: int) -> dict:
    """Requests of every kind; number 0 to 39."""
    draw = random.Random(number)
    kinds = [
        {"max_tokens": draw.randint(1, 40)},
        {"form": "七绝", "tones": "strict", "rhyme": "pingshui"},
        {"max_tokens": 30, "temperature": 0},
        {"max_tokens": 20, "top_p": 0.5, "n": 3},
        {"max_tokens": 30, "repetition_penalty": 1.3, "no_repeat_ngram": 2},
        {"form": "五绝", "title": "秋夜"},
        {"prompt": "秋风吹" * 15, "max_tokens": 12},
        {"max_tokens": 25, "stop": "，"},
    ]
    return {"prompt": draw.choice(["", "春", "明月"]), "seed": number, **kinds[number % len(kinds)]}


def run(coroutine):
    """In a thread of its own: where a browser is tested, this one has a loop already."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


async def gathered(application, requests, spread=0.0):
    async def one(client, number, request):
        await asyncio.sleep(random.Random(number).random() * spread)
        answer = await client.post("/v1/completions", json=request)
        assert answer.status_code == 200, answer.text
        return [choice["text"] for choice in answer.json()["choices"]]

    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=300) as client:
        return await asyncio.gather(*(one(client, *pair) for pair in enumerate(requests)))


def test_neighbours_do_not_matter(lm):
    requests = [asked(number) for number in range(40)]
    alone = [run(gathered(kgpt2.serve.app(lm), [one]))[0] for one in requests[:8]]
    # Few rows at a time, and arrivals at any moment: rows join, wait and leave all the while.
    application = kgpt2.serve.app(lm, limits=Limits(rows=12))
    together = run(gathered(application, requests, spread=1.5))
    assert together[:8] == alone
    assert together == run(gathered(application, requests))


def test_a_text_that_outgrows_the_context_goes_on(lm):
    request = {"prompt": "春", "max_tokens": 300, "seed": 1, "min_new_tokens": 300}
    wanted = lm.generate("春", max_new_tokens=300, seed=1, min_new_tokens=300)[0].completion
    application = kgpt2.serve.app(lm)
    others = [asked(number) for number in range(8)]
    assert run(gathered(application, [request, *others], spread=0.5))[0] == [wanted]


def test_a_runtime_that_takes_no_joiners_serves_too(lm, monkeypatch):
    monkeypatch.setattr(type(lm.runtime), "joins", False)
    requests = [asked(number) for number in range(8)]
    texts = run(gathered(kgpt2.serve.app(lm), requests, spread=0.3))
    monkeypatch.undo()
    assert texts == run(gathered(kgpt2.serve.app(lm), requests, spread=0.3))


def test_what_fails_fails_alone(lm, monkeypatch, caplog):
    application = kgpt2.serve.app(lm)
    whole = growth.Batch.step
    monkeypatch.setattr(growth.Batch, "step", lambda batch: 1 / 0)

    async def three():
        transport = httpx.ASGITransport(application, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
            failed = await client.post("/v1/completions", json=asked(1))
            streamed = await client.post("/v1/completions", json=asked(1) | {"stream": True})
            monkeypatch.setattr(growth.Batch, "step", whole)
            return failed, streamed, await client.post("/v1/completions", json=asked(1))

    failed, streamed, after = run(three())
    assert failed.status_code == 500
    assert failed.json()["error"]["type"] == "server_error"
    assert '"type": "server_error"' in streamed.text
    assert "[DONE]" not in streamed.text
    assert after.status_code == 200


@pytest.mark.parametrize("lines", [1, 3])
def test_lines_fill_the_places_of_those_that_left(lm, lines):
    from kgpt2.config.settings import Settings
    from kgpt2.generation.rows import Row
    from kgpt2.serve.growth import Batch, Line

    def line(seed):
        settings = Settings(seed=seed, max_new_tokens=12, min_new_tokens=12)
        (prompt,) = lm.prepare(["春风"], settings)
        return Line(Row(prompt, 0, seed, lm.tokenizer, settings), lm.decoder(settings))

    batch = Batch(lm.runtime, [line(seed) for seed in range(5)], 8)
    batch.step()
    for gone in batch.lines[1 : 1 + lines]:
        gone.cancelled = True
    assert batch.leave() == []
    joined = [line(seed) for seed in range(10, 10 + lines)]
    for one in joined:
        batch.join(one)
    assert [one for one in batch.lines if one in joined] == batch.lines[1 : 1 + lines]
    while batch.lines:
        batch.step()
        batch.leave()
    for one in joined:
        wanted = lm.generate("春风", seed=one.row.seed, max_new_tokens=12, min_new_tokens=12)[0]
        assert one.row.result().completion == wanted.completion


def test_a_byte_level_vocabulary(english_preset):
    """Half a character is never sent, and a token of a word takes its space along."""
    lm = kgpt2.load(english_preset, runtime="openvino")
    application = kgpt2.serve.app(lm)
    requests = [{"prompt": "hello", "seed": number, "max_tokens": 30, "logprobs": 2} for number in range(6)]
    texts = run(gathered(application, requests))
    wanted = [lm.generate("hello", seed=number, max_new_tokens=30)[0].completion for number in range(6)]
    assert texts == [[one] for one in wanted]

    async def streamed():
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
            return (await client.post("/v1/completions", json=requests[0] | {"stream": True, "n": 3})).text

    events = [json.loads(line[6:]) for line in run(streamed()).split("\n\n") if line.startswith("data: {")]
    pieces = [choice for event in events for choice in event["choices"] if choice["index"] == 0]
    assert "".join(piece["text"] for piece in pieces) == wanted[0]
    assert sum(len(piece["logprobs"]["tokens"]) for piece in pieces) == 30
