"""A Keras network's weights in transformers, written out by hand."""

import keras
import pytest

torch = pytest.importorskip("torch")


def as_transformers(backbone):
    """A GPT2LMHeadModel with a backbone's weights, written out by hand."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=backbone.vocabulary_size,
        n_positions=backbone.max_sequence_length,
        n_embd=backbone.hidden_dim,
        n_layer=backbone.num_layers,
        n_head=backbone.num_heads,
        n_inner=backbone.intermediate_dim,
    )
    network = GPT2LMHeadModel(config).eval()

    def array(weight, *shape):
        return torch.tensor(keras.ops.convert_to_numpy(weight).reshape(shape or weight.shape))

    width = backbone.hidden_dim
    weights = {
        "wte.weight": array(backbone.token_embedding.embeddings),
        "wpe.weight": array(backbone.position_embedding.position_embeddings),
        "ln_f.weight": array(backbone.layer_norm.gamma),
        "ln_f.bias": array(backbone.layer_norm.beta),
    }
    for i, layer in enumerate(backbone.transformer_layers):
        attention = layer._self_attention_layer
        parts = [attention.query_dense, attention.key_dense, attention.value_dense]
        weights |= {
            f"h.{i}.attn.c_attn.weight": torch.cat([array(p.kernel, width, width) for p in parts], 1),
            f"h.{i}.attn.c_attn.bias": torch.cat([array(p.bias, width) for p in parts]),
            f"h.{i}.attn.c_proj.weight": array(attention.output_dense.kernel, width, width),
            f"h.{i}.attn.c_proj.bias": array(attention.output_dense.bias),
            f"h.{i}.mlp.c_fc.weight": array(layer._feedforward_intermediate_dense.kernel),
            f"h.{i}.mlp.c_fc.bias": array(layer._feedforward_intermediate_dense.bias),
            f"h.{i}.mlp.c_proj.weight": array(layer._feedforward_output_dense.kernel),
            f"h.{i}.mlp.c_proj.bias": array(layer._feedforward_output_dense.bias),
            f"h.{i}.ln_1.weight": array(layer._self_attention_layer_norm.gamma),
            f"h.{i}.ln_1.bias": array(layer._self_attention_layer_norm.beta),
            f"h.{i}.ln_2.weight": array(layer._feedforward_layer_norm.gamma),
            f"h.{i}.ln_2.bias": array(layer._feedforward_layer_norm.beta),
        }
    missing, surplus = network.transformer.load_state_dict(weights, strict=False)
    assert not surplus
    assert not missing
    return network
