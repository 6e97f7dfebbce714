"""One model, several readers: each gets what it gets alone."""

import asyncio
import itertools
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

import kgpt2
from kgpt2.config.settings import Settings

PROMPTS = ["春眠不觉晓", "白日", "", "千山鸟飞绝，万径"]
COUNT = 12


def asked(number: int) -> dict:
    """Settings of the call of a number: samplers, lengths and batches of every kind."""
    sampler = ("top_p", "greedy", "random", "top_k")[number % 4]
    return {"sampler": sampler, "seed": number, "max_new_tokens": 6 + number % 5, "stop": ["。"] if number % 3 else []}


class Readers:
    """A model, and what single calls of it give."""

    def __init__(self, folder, runtime):
        self.lm = kgpt2.load(folder, runtime=runtime)
        self.texts = [self.generate(number) for number in range(COUNT)]
        self.scores = self.lm.score(PROMPTS)

    def generate(self, number: int) -> list[str]:
        prompt, returned = PROMPTS[number % len(PROMPTS)], 1 + number % 2
        return [one.completion for one in self.lm.generate(prompt, num_return=returned, **asked(number))]

    def stream(self, number: int):
        return self.lm.stream(PROMPTS[number % len(PROMPTS)], **asked(number))

    def is_right(self, number: int, way: str) -> bool:
        if way == "score":
            return self.lm.score(PROMPTS) == self.scores
        if way == "generate":
            return self.generate(number) == self.texts[number]
        return "".join(self.stream(number)) == self.texts[number][0]


@pytest.fixture(scope="module", params=["openvino", "keras"])
def readers(request, chinese_preset):
    return Readers(chinese_preset, request.param)


@pytest.mark.backends
def test_two_hundred_calls_in_four_threads(readers):
    draw = random.Random(0)
    calls = [(draw.randrange(COUNT), draw.choice(["generate", "stream", "score"])) for _ in range(200)]
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda call: readers.is_right(*call), calls))


@pytest.mark.backends
def test_streams_that_take_turns_and_calls_inside_them(readers):
    streams = {number: readers.stream(number) for number in range(COUNT)}
    pieces = dict.fromkeys(streams, "")
    ways = itertools.cycle(["score", "generate", "stream", ""])
    while streams:
        for number, stream in list(streams.items()):
            piece = next(stream, None)
            if piece is None:
                del streams[number]
            else:
                pieces[number] += piece
            if way := next(ways):
                assert readers.is_right(number, way)
    assert list(pieces.values()) == [texts[0] for texts in readers.texts]


@pytest.mark.backends
def test_asyncio(readers):
    async def pieces(number: int) -> str:
        stream, found = readers.stream(number), ""
        while (piece := await asyncio.to_thread(next, stream, None)) is not None:
            found += piece
        return found

    async def all_at_once() -> list[str]:
        return await asyncio.gather(*map(pieces, range(COUNT)))

    assert asyncio.run(all_at_once()) == [texts[0] for texts in readers.texts]


@pytest.mark.backends
def test_a_program_is_compiled_once_and_its_seconds_are_those_of_who_waits(chinese_preset):
    from kgpt2.generation.generate import Clock, generate

    lm = kgpt2.load(chinese_preset, runtime="keras")
    clocks = [Clock() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        settings = Settings(max_new_tokens=12, seed=1)
        prompts = lm.prepare(["春眠"], settings)
        list(pool.map(lambda clock: list(generate(lm.decoder(settings), prompts, clock)), clocks))
    alone = kgpt2.load(chinese_preset, runtime="keras")
    alone.generate("春眠", max_new_tokens=12, seed=1)
    assert lm.runtime.compilations == alone.runtime.compilations
    assert all(clock.generating > 0 for clock in clocks)


def test_a_stream_that_is_left_leaves_nothing(chinese_preset):
    lm = kgpt2.load(chinese_preset)
    wanted = lm.generate("白日", seed=1, max_new_tokens=20)[0].completion
    for _ in range(3):
        assert next(lm.stream("白日", seed=1, max_new_tokens=20)) == wanted[0]
    assert "".join(lm.stream("白日", seed=1, max_new_tokens=20)) == wanted
