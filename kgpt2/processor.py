"""What the processor can do, and what is fastest on it within half a percent of float32's loss.

The choices follow from the processor's flags, never from a timing, so that two processes on one machine compute the
same. What they were measured on, and what they cost, is in docs/decoding.md.
"""

import dataclasses
import functools
from pathlib import Path

# Flags that decide something, or explain a figure, as Linux names them.
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
# What `--dtype auto` means where OpenVINO decodes. int4 is faster, and costs more of some models' loss than it may.
FASTEST = "int8"
_GROUP, _QUARTERS = 64, 4


@dataclasses.dataclass(frozen=True)
class Decoding:
    """How OpenVINO decodes.

    Args:
        weights: how matrices are kept, as `conversion.openvino.network.Network` has it.
        precision: in which the network computes, as OpenVINO names it.
        group: activations that share a scale where they too are rounded to int8, for products with small integers; 0:
            they stay as they are.
        pieces: that each matrix of a block is multiplied in.
    """

    weights: str
    precision: str
    group: int = 0
    pieces: int = 1


def decoding(dtype: str, features: tuple[str, ...]) -> Decoding:
    """How to decode on a processor with these features.

    Args:
        dtype: float32, bfloat16, int8 or int4.

    Example:
        >>> decoding("int8", ("avx2",)).group, decoding("int8", ("avx2", "avx512_vnni")).group
        (0, 64)
    """
    if dtype == "bfloat16":
        return Decoding("float32", "bf16")
    if dtype == "float32":
        # Intel's processors with AMX read the weights of a product in float32 faster by quarters.
        return Decoding("float32", "f32", pieces=_QUARTERS if "amx_bf16" in features else 1)
    # The instructions that multiply small integers take them on both sides.
    multiplies = "avx512_vnni" in features or "amx_int8" in features
    return Decoding(dtype, "f32", _GROUP if multiplies else 0)


def multiplies_bfloat16(features: tuple[str, ...]) -> bool:
    """Whether the processor has instructions for it, which TensorFlow's own products use and XLA's do not.

    Example:
        >>> multiplies_bfloat16(("avx2",)), multiplies_bfloat16(("avx2", "amx_bf16"))
        (False, True)
    """
    return "amx_bf16" in features or "avx512_bf16" in features


@functools.cache
def features() -> tuple[str, ...]:
    """Those of `FEATURES` that this processor has; none where the system does not tell (not Linux)."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ()
    flags = set(next((line for line in lines if line.startswith("flags")), "").split())
    return tuple(name for name in FEATURES if name in flags)
