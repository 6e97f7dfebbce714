import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgpt2.data.batches import WIDTHS, Batches
from kgpt2.data.tokens import pack, split_texts, token_table


def table(lengths, max_tokens=None):
    """Rows `[1, 1000, 1001, ..., 2]`; every token but start and end occurs once."""
    rows = iter(np.split(np.arange(1000, 1000 + sum(lengths)), np.cumsum(lengths)[:-1]))
    return token_table(lengths, lambda texts: [list(next(rows)) for _ in texts], 1, 2, max_tokens)


def test_a_cut_text_loses_its_end_token():
    cut = table([3, 10], max_tokens=6)
    assert [list(cut[i]) for i in range(2)] == [[1, 1000, 1001, 1002, 2], [1, 1003, 1004, 1005, 1006, 1007]]
    assert cut.cut == 1


def batches(lengths, **options):
    return Batches(table(lengths, 17), batch_size=4, sequence_length=16, pad_id=0, **options)


@pytest.mark.parametrize("pad_to_longest", [True, False])
@pytest.mark.parametrize("shuffle_seed", [None, 3])
def test_every_target_comes_once_an_epoch_after_its_own_input(pad_to_longest, shuffle_seed):
    lengths = [1, 5, 15, 2, 9, 30, 3, 4, 7, 1, 12]
    data = batches(lengths, pad_to_longest=pad_to_longest, shuffle_seed=shuffle_seed)
    seen = []
    for batch in data.take(data.per_epoch):
        assert batch.token_ids.shape == batch.targets.shape == batch.target_mask.shape
        assert len(batch.token_ids) == 4
        counted = batch.target_mask == 1
        assert (batch.padding_mask == counted).all()
        assert (batch.token_ids[~counted] == 0).all()
        inputs, targets = batch.token_ids[counted], batch.targets[counted]
        assert ((targets == inputs + 1) | (inputs == 1) | (targets == 2)).all()
        seen += list(targets)
    expected = np.concatenate([data.table[i][1:] for i in range(len(lengths))])
    assert sorted(seen) == sorted(expected)
    assert data.per_epoch == 3


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_sizes_are_those_of_the_batches(lengths):
    data = batches(lengths, shuffle_seed=0)
    sizes = [
        (int(b.target_mask.sum()), b.targets.size) for b in map(data.at, range(data.per_epoch, 2 * data.per_epoch))
    ]
    assert list(data.sizes(1)) == sizes
    assert len({width // data.batch_size for _, width in sizes}) <= WIDTHS


def test_order_is_drawn_from_seed_and_epoch():
    lengths = list(range(1, 30))
    first = [b.token_ids.tolist() for b in batches(lengths, shuffle_seed=1).take(16)]
    assert first == [b.token_ids.tolist() for b in batches(lengths, shuffle_seed=1).take(16)]
    assert first[:8] != first[8:]
    assert first != [b.token_ids.tolist() for b in batches(lengths, shuffle_seed=2).take(16)]


def test_bucketing_wastes_less_than_padding():
    lengths = list(np.random.default_rng(0).integers(2, 16, 2000))

    def padding(**options):
        sizes = list(batches(lengths, shuffle_seed=0, **options).sizes(0))
        return 1 - sum(t for t, _ in sizes) / sum(p for _, p in sizes)

    assert padding() < 0.12 < 0.35 < padding(pad_to_longest=False)


def test_packing_makes_every_token_but_the_first_a_target_once():
    packed = pack(table([3, 10, 1, 7]), max_tokens=6)
    flat = table([3, 10, 1, 7]).ids
    assert np.concatenate([packed[i][1:] for i in range(len(packed))]).tolist() == flat[1:].tolist()
    assert set(packed.lengths[:-1]) == {6}


def test_equal_texts_stay_on_one_side():
    texts = [f"poem {i % 40}" for i in range(100)]
    train, held_out = split_texts(texts, 0.2, seed=1)
    assert len(set(held_out)) == 8
    assert not set(train) & set(held_out)
    assert sorted(train + held_out) == sorted(texts)
    assert split_texts(texts, 0.2, seed=1) == (train, held_out)
    assert split_texts(texts, 0.2, seed=2) != (train, held_out)
    assert split_texts(["one"], 0.5, seed=0) == (["one"], [])
    assert split_texts(["a", "b"], 0.01, seed=0)[1] != []
    assert split_texts(["a", "b"], 0, seed=0)[1] == []


def test_tf_data_gives_the_same_batches():
    pytest.importorskip("tensorflow")
    import kgpt2.models  # noqa: F401
    from kgpt2.data.tfdata import as_dataset

    data = batches([1, 5, 15, 2, 9, 3], shuffle_seed=0)
    dataset = as_dataset(data, 2 * data.per_epoch)
    assert int(dataset.cardinality()) == 2 * data.per_epoch
    for (x, y, weight), batch in zip(dataset, data.take(2 * data.per_epoch), strict=True):
        assert x["token_ids"].numpy().tolist() == batch.token_ids.tolist()
        assert x["padding_mask"].numpy().tolist() == batch.padding_mask.tolist()
        assert y.numpy().tolist() == batch.targets.tolist()
        assert weight.numpy().tolist() == batch.target_mask.tolist()
