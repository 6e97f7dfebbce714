"""The best of many: which are kept, and what may not be asked for."""

import pytest

import kgpt2
from kgpt2.errors import RequestError
from kgpt2.generation.merit import merit

ASKED = {"form": "七绝", "seed": 3, "logprobs": True}


@pytest.fixture(scope="module")
def mini_zh():
    return kgpt2.load("mini_zh")


def test_the_best_of_the_same_draws_are_kept(mini_zh):
    drawn = mini_zh.generate(["", "春风"], num_return=8, **ASKED)
    kept = mini_zh.generate(["", "春风"], best_of=8, num_return=2, **ASKED)
    for prompt, some in (("", drawn[:8]), ("春风", drawn[8:])):
        mine = [one for one in kept if one.prompt == prompt]
        ordered = sorted(some, key=merit, reverse=True)
        assert [one.text for one in mine] == [one.text for one in ordered[:2]]
        assert [one.index for one in mine] == [0, 1]
    assert [one.prompt for one in kept] == ["", "", "春风", "春风"]
    unasked = mini_zh.generate("", best_of=8, form="七绝", seed=3)[0]
    assert unasked.text == kept[0].text
    assert unasked.logprobs is None


def test_keywords_and_fewer_repeats_count(mini_zh):
    """Of sixteen draws the one that is kept holds both words nearly always."""
    words = ["明月", "故乡"]
    texts = [mini_zh.generate("", form="七绝", keywords=words, best_of=16, seed=seed)[0].text for seed in range(10)]
    assert sum(all(word in text for word in words) for text in texts) >= 9, texts


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"best_of": 2, "num_return": 3}, "best_of: 2 will not do, it must be 3 or more"),
        ({"best_of": 4, "sampler": "beam"}, "best_of: 4 will not do, it must be 1 with beams"),
    ],
)
def test_what_may_not_be_asked_for(settings, message):
    with pytest.raises(RequestError, match=message):
        kgpt2.Settings(**settings)


def test_a_stream_is_one_draw(mini_zh, kgpt2):
    with pytest.raises(RequestError, match="best_of"):
        mini_zh.stream("春", best_of=4)
    for arguments in (["--stream", "--best-of", "4"], ["--best-of", "2", "-n", "3"]):
        result = kgpt2("generate", "春", *arguments)
        assert result.status == 2
        assert "best" in result.err


def test_on_the_command_line(kgpt2):
    result = kgpt2("generate", "春风", "--form", "七绝", "--best-of", "8", "-n", "2", "--seed", "1")
    assert result.status == 0, result.err
    assert len(result.out.split()) == 2
