import collections

from kgpt2.data.splits import split_of


def test_splits_are_fixed_and_of_the_promised_sizes():
    counts = collections.Counter(split_of(f"poem {number}") for number in range(20_000))
    assert set(counts) == {"train", "validation", "test"}
    assert 17_800 < counts["train"] < 18_200
    assert 900 < counts["validation"] < 1100
    # These may never change: a model would be tested on what it was trained on.
    assert [split_of(f"poem {number}") for number in (0, 11, 30)] == ["train", "validation", "test"]
