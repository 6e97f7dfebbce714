"""Keywords in a form: where their tones allow, whole, and never over what is given."""

import numpy as np

from kgpt2.verse.notation import lines_of, parse
from kgpt2.verse.placing import place_words
from kgpt2.verse.plan import plan
from kgpt2.verse.rules import Need, Rules
from kgpt2.verse.sounds import LEVEL, OBLIQUE


def plan_of(words, seed, form="七绝", text="", **rules):
    plans = plan(Rules(form, words=words, repeats=False, **rules), text, lambda need: 99)
    return plans, plans.choose(np.random.default_rng(seed))


def test_words_stand_whole_in_a_line_and_change_their_places():
    found = set()
    for seed in range(60):
        plans, needs = plan_of(("明月", "故乡"), seed)
        places = [place for place, need in enumerate(needs) if need.given and need.given in "明月故乡"]
        assert "".join(needs[place].given for place in places) in ("明月故乡", "故乡明月")
        numbers = [next(n for n, line in enumerate(lines_of(plans.form)) if place in line) for place in places]
        assert numbers[0] == numbers[1] != numbers[2] == numbers[3], "a line each"
        assert all(not need.allows("月") for need in needs if not need.given), "and nowhere else"
        found.add(tuple(places))
    assert len(found) > 10


def test_tones_and_what_is_given_are_kept():
    form = parse("5，5。")
    needs = [Need(tone=OBLIQUE), Need(tone=OBLIQUE), *[Need(tone=LEVEL)] * 3, Need("，"), *[Need("春")] * 5, Need("。")]
    draw = np.random.default_rng(0)
    assert place_words(["日月"], form, needs, draw) == {0: "日", 1: "月"}
    assert place_words(["明月"], form, needs, draw) == {}
    assert place_words(["日月", "月日", "天涯"], form, needs, draw).keys() in ({0, 1, 2, 3}, {0, 1, 3, 4})


def test_words_that_are_there_already_are_not_placed_again():
    plans, needs = plan_of(("明月", "故乡"), 0, text="明月出天山苍茫，")
    assert plans.words == ("故乡",)
    assert "".join(need.given for need in needs if need.given in "故乡") == "故乡"


def test_without_keywords_the_draws_are_as_before():
    assert plan_of((), 3)[1] == plan(Rules("七绝", repeats=False), "", lambda need: 99).choose(np.random.default_rng(3))
