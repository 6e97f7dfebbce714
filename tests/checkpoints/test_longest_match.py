import itertools
import random
import re

import pytest

from kgpt2.checkpoints.longest_match import MAX_CHARACTERS, any_of


def test_it_matches_as_alternatives_do_the_longest_first():
    dice = random.Random(0)
    for _ in range(200):
        tokens = {"".join(dice.choices("ab.[春", k=dice.randint(1, 5))) for _ in range(dice.randint(1, 12))}
        plain = re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))))
        text = "".join(dice.choices("ab.[春x", k=60))
        assert any_of(tokens).findall(text) == plain.findall(text)


def test_a_deep_tree_and_none():
    tokens = ["a" * length for length in range(1, MAX_CHARACTERS + 1)]
    assert any_of(tokens).findall("b" + "a" * 200) == ["a" * MAX_CHARACTERS, "a" * (200 - MAX_CHARACTERS)]
    assert any_of([]).findall("abc") == []


@pytest.mark.timeout(20)
def test_tens_of_thousands_that_begin_alike():
    tokens = ["a" * 50 + "".join(pair) for pair in itertools.product("bcdefghijk", repeat=4)]
    assert any_of(tokens).findall("a" * 3000 + "bcde") == ["a" * 50 + "bcde"]


@pytest.mark.parametrize("token", ["", "a" * (MAX_CHARACTERS + 1)])
def test_what_is_no_token(token):
    with pytest.raises(ValueError, match="from 1 to 128 characters"):
        any_of([token])
