"""Rematerialisation (gradient checkpointing): a block's activations are computed again for the gradient."""

import keras
import keras_hub

from kgpt2.models.backend import Tensor


class Rematerialised(keras.layers.Layer):
    """A transformer block that keeps its input for the gradient, and nothing of what it computes from it.

    The block's variables go into the recomputed function as arguments, and the states of its random seeds come out:
    so the second computation draws the same dropout as the first, and no value of a traced function outlives it.
    (`keras.remat` of the block itself leaks the seeds on JAX, and `keras.RematScope` fails on keyword arguments on
    TensorFlow, keras#21207.)

    Args:
        block: a built layer; its variables stay its own.
    """

    def __init__(self, block: keras_hub.layers.TransformerDecoder):
        super().__init__(name=f"rematerialised_{block.name}", autocast=False)
        self.block = block

    def call(self, x: Tensor, padding_mask: Tensor, training: bool = False) -> Tensor:
        variables = self.block.variables
        weights = {id(weight) for weight in self.block.weights}
        seeds = [variable for variable in variables if id(variable) not in weights]

        def compute(x: Tensor, padding_mask: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))) as scope:
                x = self.block(x, decoder_padding_mask=padding_mask, training=training)
            return x, *[scope.get_current_value(seed) for seed in seeds]

        x, *states = keras.remat(compute)(x, padding_mask, *[variable.value for variable in variables])
        for seed, state in zip(seeds, states, strict=True):
            seed.assign(state)
        return x


def logits_of(
    backbone: keras_hub.models.GPT2Backbone, rematerialise: bool, perturbation: keras.KerasTensor | None = None
) -> keras.KerasTensor:
    """The logits of a GPT-2, `(rows, width, vocabulary)`, as a function of the backbone's inputs.

    The layers and their variables are the backbone's: what is trained here is trained there.

    Args:
        backbone: the network.
        rematerialise: whether blocks keep their inputs alone for the gradient.
        perturbation: `(rows, width, hidden)`, added to the embeddings of the tokens; None: nothing is.
    """
    token_ids, padding_mask = backbone.input["token_ids"], backbone.input["padding_mask"]
    x = backbone.token_embedding(token_ids)
    if perturbation is not None:
        x = x + keras.ops.cast(perturbation, x.dtype)
    x = backbone.embeddings_add((x, backbone.position_embedding(x)))
    x = backbone.embeddings_dropout(x)
    for block in backbone.transformer_layers:
        x = Rematerialised(block)(x, padding_mask) if rematerialise else block(x, decoder_padding_mask=padding_mask)
    return backbone.token_embedding(backbone.layer_norm(x), reverse=True)
