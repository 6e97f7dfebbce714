"""Parts that XLA compiles by themselves: the same values and gradients as without."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

import kgpt2.models as models
from kgpt2.models import parts
from kgpt2.models.dropout import HashedDropout, hash_masks
from kgpt2.models.parts import compile_parts

pytestmark = pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="TensorFlow alone has such parts")
CHARACTERS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"春夏秋冬"]


def tape_of(function, *inputs):
    """A function's value and its gradients."""
    import tensorflow as tf

    inputs = [tf.constant(x) for x in inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = function(*inputs)
        total = tf.reduce_sum(tf.cast(value, "float32") * np.arange(value.shape[-1], dtype="float32"))
    return [value.numpy(), *(tf.convert_to_tensor(one).numpy() for one in tape.gradient(total, inputs))]


@pytest.fixture
def plain(monkeypatch):
    """Runs a function with no part compiled."""

    def run(function, *inputs):
        with monkeypatch.context() as patch:
            patch.setattr(parts, "xla_pays", lambda: False)
            return tape_of(function, *inputs)

    return run


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_normalisation_is_keras(dtype):
    x = np.random.default_rng(0).normal(2, 3, (2, 5, 8)).astype("float32")
    layer = keras.layers.LayerNormalization(epsilon=1e-5, dtype=dtype)
    layer.build(x.shape)
    layer.set_weights(np.random.default_rng(1).normal(size=(2, 8)))
    wanted = tape_of(layer, x)
    tolerance = 1e-5 if dtype == "float32" else 1e-2
    for found, one in zip(tape_of(functools.partial(parts._normalised, layer), x), wanted, strict=True):
        assert found.dtype == one.dtype
        assert np.allclose(found.astype("float32"), one.astype("float32"), atol=1e-4, rtol=tolerance)


def test_gelu_and_its_gradient(plain):
    x = np.linspace(-6, 6, 400, dtype="float32").reshape(20, 20)
    gelu = parts.compiled(lambda x: ops.gelu(x, approximate=True))
    for found, wanted in zip(tape_of(gelu, x), plain(gelu, x), strict=True):
        assert np.allclose(found, wanted, atol=1e-4)


def test_a_mask_goes_back_as_it_came(plain):
    x = np.ones((4, 5, 8), "float32")
    layers = [HashedDropout(0.25, seed=3) for _ in range(2)]
    found, wanted = tape_of(lambda x: layers[0](x, training=True), x), plain(lambda x: layers[1](x, training=True), x)
    for one, other in zip(found, wanted, strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(found[1] == 0, (found[0] == 0) | (np.arange(8) == 0)), (
        "no gradient where nothing went through"
    )


def test_the_parts_of_a_backbone(plain):
    task = models.from_scratch(CHARACTERS, layers=2, heads=2, width=8, sequence_length=8, dtype="float32", dropout=0.0)
    batch = {"token_ids": np.arange(8, dtype="int32").reshape(2, 4), "padding_mask": np.ones((2, 4), "int32")}
    embeddings = task.backbone.token_embedding.embeddings
    hash_masks(task.backbone)

    def run(values):
        with keras.StatelessScope(state_mapping=[(embeddings, values)]):
            return task.backbone(batch, training=True)

    before = tape_of(run, embeddings.numpy())
    compile_parts(task.backbone)
    after = tape_of(run, embeddings.numpy())
    for one, other in zip(after, before, strict=True):
        assert np.allclose(one, other, atol=1e-4, rtol=1e-5)
    programs = str(graph_of(run, embeddings.numpy())).count("_XlaMustCompile")
    assert not parts.xla_pays() or programs >= 7, "two activations, five normalisations"


def graph_of(function, values):
    import tensorflow as tf

    return tf.function(function, autograph=False).get_concrete_function(tf.constant(values)).graph.as_graph_def()
