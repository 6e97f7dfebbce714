import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgpt2.data.batches import WIDTHS, Batches, best_widths
from kgpt2.data.permutation import permuted
from kgpt2.data.tokens import Packed, Selected, TokenTable


def table(lengths, prompts=None):
    """Rows `[1, 1000, 1001, ..., 2]`; every token but start and end occurs once."""
    rows = np.split(np.arange(1000, 1000 + sum(lengths)), np.cumsum(lengths)[:-1])
    ids = np.concatenate([[1, *row, 2] for row in rows]).astype(np.int32)
    ends = np.cumsum([len(row) + 2 for row in rows])
    given_tokens = np.zeros(len(rows)) if prompts is None else np.array(prompts)
    return TokenTable(ids, ends, given_tokens.astype(np.uint32), np.arange(len(rows), dtype=np.uint64))


def every(of, max_tokens=None):
    return Selected(of, np.ones(len(of), bool), max_tokens)


def row(rows, index):
    tokens, learned = rows.block(np.array([index]), int(rows.lengths[index]))
    return tokens[0].tolist(), learned[0].tolist()


def batches(lengths, prompts=None, **options):
    return Batches(
        every(table(lengths, prompts), 17), **{"batch_size": 4, "sequence_length": 16, "pad_id": 0} | options
    )


def test_a_cut_text_loses_its_end_token():
    cut = every(table([3, 10]), max_tokens=6)
    assert [row(cut, i)[0] for i in range(2)] == [[1, 1000, 1001, 1002, 2], [1, 1003, 1004, 1005, 1006, 1007]]
    assert cut.cut == 1


def test_of_prompt_and_text_the_text_alone_is_learned():
    rows = every(table([5, 4], prompts=[2, 0]), max_tokens=6)
    assert row(rows, 0) == ([1, 1000, 1001, 1002, 1003, 1004], [False] * 3 + [True] * 3)
    assert row(rows, 1)[1] == [False] + [True] * 5
    short = every(table([5, 4], prompts=[5, 0]), max_tokens=6)
    assert (len(short), short.unlearnable) == (1, 1)
    batch = batches([5, 4], prompts=[2, 0]).at(0)
    assert batch.target_mask.sum() == 4 + 5
    assert batch.padding_mask.sum() == 6 + 5, "a prompt is read all the same"


@pytest.mark.parametrize("options", [{}, {"pad_to_longest": False}, {"batch_tokens": 40}, {"batch_tokens": 1}])
@pytest.mark.parametrize("shuffle_seed", [None, 3])
def test_every_target_comes_once_an_epoch_after_its_own_input(options, shuffle_seed):
    lengths = [1, 5, 15, 2, 9, 30, 3, 4, 7, 1, 12]
    data = batches(lengths, shuffle_seed=shuffle_seed, **options)
    for epoch in range(2):
        seen = []
        for batch in data.take(data.per_epoch, start=epoch * data.per_epoch):
            assert batch.token_ids.shape == batch.targets.shape == batch.target_mask.shape
            assert batch.token_ids.shape in data.shapes
            counted = batch.target_mask == 1
            assert (batch.padding_mask == counted).all()
            assert (batch.token_ids[~counted] == 0).all()
            inputs, targets = batch.token_ids[counted], batch.targets[counted]
            assert ((targets == inputs + 1) | (inputs == 1) | (targets == 2)).all()
            seen += list(targets)
        expected = np.concatenate([row(data.rows, i)[0][1:] for i in range(len(lengths))])
        assert sorted(seen) == sorted(expected)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.sampled_from([None, 50]))
def test_sizes_are_those_of_the_batches(lengths, batch_tokens):
    data = batches(lengths, shuffle_seed=0, batch_tokens=batch_tokens)
    steps = range(data.per_epoch, 2 * data.per_epoch)
    sizes = [
        (int(b.target_mask.sum()), int(b.padding_mask.sum()), b.targets.size, b.targets.shape[1])
        for b in map(data.at, steps)
    ]
    assert [data.size(step) for step in steps] == sizes
    assert len({data.at(step).targets.shape for step in steps}) <= len(data.shapes) <= WIDTHS


@given(st.lists(st.integers(0, 4), min_size=1, max_size=11).filter(any), st.integers(1, 4))
def test_no_other_widths_need_less_padding(counts, most):
    counts = np.array([0, *counts])
    lengths = np.flatnonzero(counts)

    def positions(widths):
        return sum(counts[length] * min(width for width in widths if width >= length) for length in lengths)

    widths = best_widths(counts, most)
    others = itertools.chain.from_iterable(
        itertools.combinations(lengths[:-1], size) for size in range(min(most, len(lengths)))
    )
    assert len(widths) <= most
    assert positions(widths) == min(positions([*other, lengths[-1]]) for other in others)


def test_batches_of_equal_token_count():
    data = batches([2] * 40 + [14] * 6, batch_tokens=60)
    assert data.shapes == {(4, 15), (20, 3)}


def test_order_is_drawn_from_seed_and_epoch():
    lengths = list(range(1, 30))
    first = [b.token_ids.tolist() for b in batches(lengths, shuffle_seed=1).take(16)]
    assert first == [b.token_ids.tolist() for b in batches(lengths, shuffle_seed=1).take(16)]
    assert first[:8] != first[8:]
    assert first != [b.token_ids.tolist() for b in batches(lengths, shuffle_seed=2).take(16)]
    later = [b.token_ids.tolist() for b in batches(lengths, shuffle_seed=1).take(3, start=13)]
    assert later == first[13:], "any step can be the first"


@pytest.mark.parametrize("size", [1, 2, 3, 10, 97, 1000, 4097])
def test_a_permutation_holds_every_place_once(size):
    orders = [permuted(np.arange(size), size, (seed,)) for seed in range(3)]
    for order in orders:
        assert sorted(order) == list(range(size))
    assert size < 10 or len({order.tobytes() for order in orders}) == 3


def test_a_permutation_sends_every_place_everywhere_alike():
    from scipy.stats import chisquare

    size, draws = 12, 6000
    for place in (0, 5, 11):
        found = [int(permuted(np.array([place]), size, (seed, 7))[0]) for seed in range(draws)]
        assert chisquare(np.bincount(found, minlength=size)).pvalue > 1e-4


def test_a_fingerprint_knows_rows_seed_and_shapes():
    lengths = list(range(1, 30))
    one = batches(lengths, shuffle_seed=1)
    assert one.fingerprint == batches(lengths, shuffle_seed=1).fingerprint
    others = [
        batches(lengths, shuffle_seed=2),
        batches(lengths[::-1], shuffle_seed=1),
        batches(lengths, shuffle_seed=1, batch_size=5),
        batches(lengths, shuffle_seed=1, pad_to_longest=False),
    ]
    assert len({one.fingerprint, *(other.fingerprint for other in others)}) == 5


def test_bucketing_wastes_less_than_padding():
    lengths = list(np.random.default_rng(0).integers(2, 16, 2000))

    def padding(**options):
        data = batches(lengths, shuffle_seed=0, **options)
        sizes = [data.size(step) for step in range(data.per_epoch)]
        return 1 - sum(size.targets for size in sizes) / sum(size.positions for size in sizes)

    assert padding() < 0.05 < 0.35 < padding(pad_to_longest=False)


@pytest.mark.parametrize("max_tokens", [2, 3, 6, 11, 100])
def test_packing_makes_every_token_but_the_first_a_target_once(max_tokens):
    whole = table([3, 10, 1, 7])
    packed = Packed(every(whole), max_tokens)
    rows = [row(packed, i) for i in range(len(packed))]
    assert np.concatenate([tokens[1:] for tokens, _ in rows]).tolist() == whole.ids[1:].tolist()
    assert all(learned == [False] + [True] * (len(tokens) - 1) for tokens, learned in rows)
    assert set(packed.lengths[:-1]) <= {max_tokens}
    beside, _ = packed.block(np.arange(len(packed)), max_tokens)
    assert [beside[i, : len(tokens)].tolist() for i, (tokens, _) in enumerate(rows)] == [tokens for tokens, _ in rows]


def test_prompts_are_not_learned_in_a_pack():
    packed = Packed(every(table([3, 4], prompts=[2, 1])), 6)
    learned = [flag for i in range(len(packed)) for flag in row(packed, i)[1][1:]]
    # 1 a b|C 2, then the start token as the end of what came before, then d|E F G 2
    assert learned == [False, False, True, True, True, False, True, True, True, True]


@pytest.mark.slow
def test_tf_data_gives_the_same_batches():
    pytest.importorskip("tensorflow")
    import kgpt2.models  # noqa: F401
    from kgpt2.data.tfdata import as_dataset

    data = batches([1, 5, 15, 2, 9, 3], shuffle_seed=0, batch_tokens=30)
    dataset = as_dataset(data, 2 * data.per_epoch, start=1)
    assert int(dataset.cardinality()) == 2 * data.per_epoch
    assert dataset.options().autotune.enabled is False, "who drops a tuned iterator may wait for a minute"
    for (x, y, weight), batch in zip(dataset, data.take(2 * data.per_epoch, start=1), strict=True):
        assert x["token_ids"].numpy().tolist() == batch.token_ids.tolist()
        assert x["padding_mask"].numpy().tolist() == batch.padding_mask.tolist()
        assert y.numpy().tolist() == batch.targets.tolist()
        assert weight.numpy().tolist() == batch.target_mask.tolist()
