"""Matrices of int8, a scale for each row: whole again where they are read, refused where the scales are not theirs."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from kgpt2.checkpoints.formats.int8_rows import rounded, whole
from kgpt2.checkpoints.formats.safetensors_file import open_safetensors
from kgpt2.errors import RequestError


def test_no_weight_is_off_by_more_than_half_a_scale():
    matrix = np.random.default_rng(0).normal(size=(5, 64)).astype("float32")
    matrix[2] = 0
    small, scales = rounded(matrix)
    assert small.dtype == np.int8
    assert np.abs(small[[0, 1, 3, 4]]).max(axis=1).tolist() == [127] * 4
    assert (np.abs(whole(small, scales) - matrix) <= scales[:, None] / 2 + 1e-7).all()
    assert not whole(small, scales)[2].any()


def test_a_file_gives_them_whole_and_nothing_besides(tmp_path):
    matrix = np.array([[1.0, -2.0], [0.25, 0.5]], "float32")
    small, scales = rounded(matrix)
    mask = np.ones((2, 2), np.int8)  # of int8, and without scales
    save_file({"w": small, "w.scale": scales, "b": scales, "mask": mask}, tmp_path / "a.safetensors")
    with open_safetensors(tmp_path / "a.safetensors") as tensors:
        assert set(tensors) == {"w", "b"}
        assert (tensors["w"].shape, tensors["w"].dtype) == ((2, 2), np.float32)
        np.testing.assert_allclose(tensors["w"].read(), matrix, atol=2 / 127 / 2)


@pytest.mark.parametrize("scales", [np.ones(3, "float32"), np.ones((2, 1), "float32"), np.ones(2, np.int32)])
def test_scales_of_another_shape_or_type_are_refused(tmp_path, scales):
    save_file({"w": np.ones((2, 2), np.int8), "w.scale": scales}, tmp_path / "a.safetensors")
    with (
        pytest.raises(RequestError, match="w has not a scale for each of its rows"),
        open_safetensors(tmp_path / "a.safetensors"),
    ):
        pass
