"""The mask of a dropout as a hash: as random as NumPy's own generator, and drawn anew each time."""

import keras
import numpy as np
import pytest
from keras import ops

import kgpt2.models as models
from kgpt2.models.dropout import HashedDropout, hash_masks, hashed

pytestmark = pytest.mark.backends
SHAPE = (256, 1000)
# A normal deviate is further out than this once in 15,787 draws; the seeds are fixed.
FAR = 4.0


def numbers(*seed):
    return ops.convert_to_numpy(hashed(SHAPE, np.array(seed))) / 2.0**31


def test_every_backend_draws_the_same_numbers():
    known = ops.convert_to_numpy(hashed((1, 3), np.array([7, 123])))
    assert known.tolist() == [[1240330012, 414900542, 1290911668]]


@pytest.mark.parametrize("seed", [(0, 0), (0, 1), (1, 0), (2**31 - 1, 5), (20_260_101, 4_000)])
def test_numbers_are_uniform(seed):
    counts = np.histogram(numbers(*seed), bins=1000, range=(0, 1))[0]
    expected = np.prod(SHAPE) / 1000
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi_square - 999) < FAR * np.sqrt(2 * 999)


@pytest.mark.parametrize("other", [(7, 124), (8, 123), (7, 123 + 2**16), (123, 7)])
def test_another_seed_is_another_mask(other):
    """Neither the same mask nor the same one in another order, which is what a plain exclusive or would give."""
    one, two = numbers(7, 123) < 0.1, numbers(*other) < 0.1
    assert abs(correlation(one, two)) < FAR / np.sqrt(one.size)
    assert sorted(numbers(7, 123).ravel()) != sorted(numbers(*other).ravel())


@pytest.mark.parametrize("step", [1, 2, 64, 1000, 65_536])
def test_places_do_not_follow_each_other(step):
    mask = (numbers(7, 123) < 0.1).ravel()
    assert abs(correlation(mask[:-step], mask[step:])) < FAR / np.sqrt(mask.size)


def correlation(one, two):
    return np.corrcoef(one.ravel(), two.ravel())[0, 1]


def test_it_drops_scales_and_draws_anew():
    layer = HashedDropout(0.25, seed=3)
    x = np.ones(SHAPE, "float32")
    first, second = (ops.convert_to_numpy(layer(x, training=True)) for _ in range(2))
    assert set(np.unique(first)) == {np.float32(0), np.float32(1 / 0.75)}
    deviation = np.sqrt(0.25 * 0.75 / first.size)
    assert abs((first == 0).mean() - 0.25) < FAR * deviation
    assert (first != second).any()
    assert ops.convert_to_numpy(layer(x)).min() == 1, "only in training"
    assert ops.convert_to_numpy(HashedDropout(0.0)(x, training=True)).min() == 1
    assert ops.convert_to_numpy(HashedDropout(1.0)(x, training=True)).max() == 0


def test_all_of_a_backbone_and_its_preset(tmp_path):
    characters = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "春", "风"]
    task = models.from_scratch(characters, layers=2, heads=2, width=8, sequence_length=8, dtype="float32", dropout=0.5)
    batch = {"token_ids": np.full((2, 4), 5, "int32"), "padding_mask": np.ones((2, 4), "int32")}
    before = ops.convert_to_numpy(task.backbone(batch))
    seeds = [variable.path for variable in task.backbone.variables if "seed" in variable.path]
    hash_masks(task.backbone)
    dropouts = [layer for layer in task.backbone._flatten_layers() if isinstance(layer, keras.layers.Dropout)]
    assert len(dropouts) == 7, "one after the embeddings, three in a block"
    assert {type(layer) for layer in dropouts} == {HashedDropout}
    assert [variable.path for variable in task.backbone.variables if "seed" in variable.path] == seeds
    assert np.array_equal(ops.convert_to_numpy(task.backbone(batch)), before)
    assert not np.array_equal(ops.convert_to_numpy(task.backbone(batch, training=True)), before)
    models.save_preset(task, tmp_path / "preset")
    assert "Hashed" not in (tmp_path / "preset" / "config.json").read_text()
