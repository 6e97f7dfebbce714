import itertools
import random
import re

import pytest

from kgpt2.checkpoints.longest_match import MAX_CHARACTERS, LongestMatch


def test_it_matches_as_alternatives_do_the_longest_first():
    dice = random.Random(0)
    for _ in range(200):
        tokens = {"".join(dice.choices("ab.[春", k=dice.randint(1, 5))) for _ in range(dice.randint(1, 12))}
        plain = re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))))
        text = "".join(dice.choices("ab.[春x", k=60))
        match = LongestMatch(tokens)
        assert [text[start:end] for start, end in match.spans(text)] == plain.findall(text)
        assert match.split(text) == re.split(f"({plain.pattern})", text)


def found(tokens, text):
    return [text[start:end] for start, end in LongestMatch(tokens).spans(text)]


def test_a_deep_tree_and_none():
    tokens = ["a" * length for length in range(1, MAX_CHARACTERS + 1)]
    assert found(tokens, "b" + "a" * 200) == ["a" * MAX_CHARACTERS, "a" * (200 - MAX_CHARACTERS)]
    assert found([], "abc") == []


@pytest.mark.timeout(20)
def test_tens_of_thousands_that_begin_alike():
    tokens = ["a" * 50 + "".join(pair) for pair in itertools.product("bcdefghijk", repeat=4)]
    assert found(tokens, "a" * 3000 + "bcde") == ["a" * 50 + "bcde"]


@pytest.mark.timeout(20)
def test_tens_of_thousands_that_begin_otherwise():
    """A list of alternatives is tried one by one at each character."""
    tokens = [chr(0x4E00 + number) + "xy" for number in range(20_000)]
    text = "".join(token[:2] for token in tokens) * 6
    assert found(tokens, text + tokens[-1]) == [tokens[-1]]


@pytest.mark.timeout(20)
def test_tens_of_thousands_of_long_ones():
    dice = random.Random(0)
    tokens = {"".join(dice.choices("ab", k=100)) for _ in range(30_000)}
    assert found(tokens, "".join(tokens)) == list(tokens)


@pytest.mark.parametrize("token", ["", "a" * (MAX_CHARACTERS + 1)])
def test_what_is_no_token(token):
    with pytest.raises(ValueError, match="from 1 to 128 characters"):
        LongestMatch([token])


def test_a_token_at_the_very_end_ends_where_the_text_does():
    assert list(LongestMatch(["[CLS]", "[CL"]).spans("a[CLS]b[CL")) == [(1, 6), (7, 10)]
