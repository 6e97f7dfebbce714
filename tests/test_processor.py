"""How to decode follows from the processor's flags."""

import pytest

from kgpt2 import processor
from kgpt2.generation.language_model import fastest_dtype
from kgpt2.processor import Decoding, decoding

AVX2 = ("avx2",)
AMD = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16")
INTEL = (*AMD, "amx_int8", "amx_bf16")


@pytest.mark.parametrize(
    ("dtype", "features", "how"),
    [
        ("float32", AMD, Decoding("float32", "f32", 0, 1)),
        ("float32", INTEL, Decoding("float32", "f32", 0, 4)),
        ("bfloat16", AMD, Decoding("float32", "bf16", 0, 1)),
        ("bfloat16", INTEL, Decoding("float32", "bf16", 0, 1)),
        ("int8", AVX2, Decoding("int8", "f32", 0)),
        ("int8", AMD, Decoding("int8", "f32", 64)),
        ("int8", INTEL, Decoding("int8", "f32", 64)),
        ("int4", AVX2, Decoding("int4", "f32", 0)),
        ("int4", INTEL, Decoding("int4", "f32", 64)),
    ],
)
def test_by_the_flags(dtype, features, how):
    assert decoding(dtype, features) == how


def test_flags_are_those_of_the_system(tmp_path, monkeypatch):
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nflags\t\t: fpu sse2 avx2 avx512f avx512_vnni avx512ifma\n")
    monkeypatch.setattr(processor, "Path", lambda _: file)
    assert processor.features.__wrapped__() == ("avx2", "avx512f", "avx512_vnni")
    monkeypatch.setattr(processor, "Path", lambda _: tmp_path / "none")
    assert processor.features.__wrapped__() == ()


def test_auto(monkeypatch):
    assert fastest_dtype("openvino") == "int8"
    monkeypatch.setattr("kgpt2.generation.language_model._ACCELERATORS", ())
    assert fastest_dtype("keras") == "float32"
    monkeypatch.setattr("kgpt2.generation.language_model._ACCELERATORS", ("/",))
    assert fastest_dtype("keras") == "bfloat16"
