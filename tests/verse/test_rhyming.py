"""Several rhymes in a form, rhyme words that are given, and the parts of 词林正韵."""

import numpy as np
import pytest

from kgpt2.errors import RequestError
from kgpt2.verse.cilin import parts_of_rhyme
from kgpt2.verse.notation import parse
from kgpt2.verse.plan import plan
from kgpt2.verse.rhyming import with_rhyme_words
from kgpt2.verse.rules import Need, Rules
from kgpt2.verse.sounds import LEVEL, OBLIQUE, rhyme_system, rhymes, rhymes_of

PUSAMAN = "xpxzppr1，xpxzppr1。xzzpR2，xpxzR2。xpppzr3，xzppr3。xzzpR4，xpxzR4。"
MOON = "6，xzxpxzR1。xpxzzpR1，xzxpxr1。"


def supply(need: Need) -> int:
    return 100


def ends(rules: Rules, seed: int = 0) -> list[Need]:
    return [need for need in plan(rules, "", supply).choose(np.random.default_rng(seed)) if need.rhyme]


@pytest.mark.parametrize("system", ["pingshui", "cilin", "modern", "tongyun"])
def test_each_number_has_a_rhyme_of_its_own(system):
    for seed in range(30):
        names = [(need.tone, need.rhyme) for need in ends(Rules(PUSAMAN, rhyme=system), seed)]
        assert names[::2] == names[1::2]
        assert len({*names}) == 4
        assert [tone for tone, _ in names[::2]] == [OBLIQUE, LEVEL, OBLIQUE, LEVEL]


def test_level_and_oblique_of_a_number_rhyme_with_one_another():
    for seed in range(30):
        one, other, oblique = (need.rhyme for need in ends(Rules(MOON, rhyme="cilin"), seed))
        assert one == other
        assert (one[:-1], one[-1], oblique[-1]) == (oblique[:-1], "平", "仄")


def test_parts_of_cilin():
    assert rhymes_of("天", LEVEL, "cilin") == {"第七部平"}
    assert rhymes_of("月", OBLIQUE, "cilin") == {"第十八部入"}
    assert [sorted(rhymes_of(sign, LEVEL, "cilin")) for sign in "来杯魂园花街"] == [
        ["第五部平"],
        ["第三部平"],
        ["第六部平"],
        ["第七部平"],
        ["第十部平"],
        ["第五部平"],
    ]
    assert all(parts_of_rhyme(name) for tone in (LEVEL, OBLIQUE) for name in rhymes(tone))
    assert rhyme_system("词林正韵") == ("cilin", "")
    assert rhyme_system("第七部") == ("cilin", "第七部")


def test_words_that_are_given_rhyme_in_their_order():
    for words, places in (("流楼", [10, 22]), ("州流楼", [4, 10, 22])):
        plans = plan(Rules("五绝", rhyme_words=words, repeats=False), "", supply)
        for seed in range(20):
            needs = plans.choose(np.random.default_rng(seed))
            assert [needs[place].given for place in places] == [*words]
            assert bool(needs[4].rhyme or needs[4].given) == (len(words) == 3)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (Rules("七绝", rhyme_words="天"), "1 characters, where the form has rhyming places for 2, or 3"),
        (Rules("七绝", rhyme_words="天东"), "天 and 东 do not rhyme"),
        (Rules("七绝", rhyme_words="天月"), "月 is not 平"),
        (Rules("七绝", rhyme="一东", rhyme_words="天年"), "does not rhyme on 一东"),
        (Rules("七绝", rhyme="off", rhyme_words="天年"), "nothing rhymes"),
        (Rules("对联", rhyme_words="天年"), "nothing rhymes"),
        (Rules("七绝", rhyme_words="天a"), "no Chinese character"),
    ],
)
def test_words_that_will_not_do(rules, words):
    with pytest.raises(RequestError) as error:
        plan(rules, "", supply)
    assert words in str(error.value)
    assert str(error.value).count("\n") <= 1


def test_rhyme_words_of_a_form_that_says_whether_its_first_line_rhymes():
    slots = with_rhyme_words(Rules("七绝首句入韵", rhyme_words="天年边"), parse("七绝首句入韵"))
    assert [slots[place].given for place in (6, 14, 30)] == ["天", "年", "边"]
    for form, words, wanted in (("七绝首句入韵", "年边", "for 3$"), ("七绝首句不入韵", "天年边", "for 2$")):
        with pytest.raises(RequestError, match=wanted):
            with_rhyme_words(Rules(form, rhyme_words=words), parse(form))
