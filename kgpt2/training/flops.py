"""Floating-point operations of training, and how much of the device they use."""

import re

import keras
import keras_hub

# Dense peak FLOP/s of one device: bfloat16, and what float32 matrix products run at. That is TF32 from Ampere on, which
# TensorFlow and JAX both use by default, and bfloat16 on TPUs. None: the device has no bfloat16 units.
# Sources: NVIDIA's data sheets (A100, H100, H200, L4, V100, T4; halved where they count sparsity) and architecture
# white papers (GA102, Ada; with float32 accumulation); cloud.google.com/tpu/docs (a v3 chip is two devices).
_TERA = 1e12
_PEAKS = (
    (r"H[12]00 NVL", 835.5, 417.5),
    (r"H100 PCIe", 756.5, 378),
    (r"H[12]00", 989.5, 494.5),
    (r"A100", 312, 156),
    (r"L4", 121, 60),
    (r"RTX 4090", 165.2, 82.6),
    (r"RTX 3090", 71, 35.6),
    (r"V100-SXM\d", None, 15.7),
    (r"V100-PCIE", None, 14),
    (r"T4", None, 8.1),
    (r"TPU v3", 61.5, 61.5),
    (r"TPU v4", 275, 275),
    (r"TPU v5 ?(e|lite)", 197, 197),
)


def training_flops(backbone: keras_hub.models.GPT2Backbone, parameters: int, tokens: int, attended: int) -> int:
    """Operations that training on tokens takes: 6N + 12 L H Q T each (PaLM, arXiv:2204.02311, appendix B).

    Forward and backward, as if every weight learned, nothing were computed twice and attention looked at every place.

    Args:
        backbone: gives the layers L and the width H Q.
        parameters: of the network. N is without the position embeddings, which are looked up and multiply nothing; the
            token embeddings stay, since they are the output projection too.
        tokens: how many, without padding.
        attended: the sum of T, the width of its batch, over these tokens.
    """
    width: int = backbone.hidden_dim
    multiplied: int = parameters - width * backbone.max_sequence_length
    layers: int = backbone.num_layers
    return 6 * multiplied * tokens + 12 * layers * width * attended


def peak_flops(device: str, dtype: str) -> float | None:
    """The dense peak of a device, in FLOP/s; None where it is not known.

    Args:
        device: its name, as the backend gives it.
        dtype: Keras' policy.
    """
    for name, half, single in _PEAKS:
        if re.search(rf"\b{name}\b", device):
            peak = single if dtype == "float32" else half
            return peak and peak * _TERA
    return None


def device_name() -> str:
    """The device that the backend computes on, as it names it; "" on a CPU."""
    if keras.config.backend() == "jax":
        import jax

        device = jax.devices()[0]
        return "" if device.platform == "cpu" else device.device_kind
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        for device in tf.config.list_physical_devices("GPU")[:1]:
            return str(tf.config.experimental.get_device_details(device).get("device_name", ""))
    return ""
