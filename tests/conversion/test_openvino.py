"""`convert --to openvino`: what is written runs in OpenVINO alone, and computes what our own runtime computes."""

import numpy as np
import openvino
import pytest

import kgpt2
from kgpt2.errors import RequestError

TEXTS = [[5, 9, 12, 7, 30], [5, 40, 41]]


@pytest.fixture(scope="module")
def lm():
    return kgpt2.load("mini_zh", runtime="openvino")


def compiled(folder):
    model = openvino.Core().read_model(folder / "openvino_model.xml")
    return openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()


def asked(ids, mask, rows=None):
    mask = np.array(mask, np.int64)
    ids = np.array(ids, np.int64)
    positions = np.maximum(mask.cumsum(axis=1) - 1, 0)[:, -ids.shape[1] :]
    rows = np.arange(len(ids)) if rows is None else np.array(rows)
    return {"input_ids": ids, "attention_mask": mask, "position_ids": positions, "beam_idx": rows.astype(np.int32)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    to = tmp_path_factory.mktemp("openvino") / "model"
    kgpt2.convert("mini_zh", to, to="openvino")
    return to


def test_logits_are_ours_whole_and_step_by_step(lm, folder):
    request, text = compiled(folder), TEXTS[0]
    wanted = lm.runtime.logits([text])[0]
    known = np.isfinite(wanted)
    whole = request.infer(asked([text], [[1] * 5]))["logits"][0].copy()
    np.testing.assert_allclose(whole[known], wanted[known], atol=2e-4)
    request.reset_state()
    request.infer(asked([text[:3]], [[1] * 3]))
    for length in (4, 5):
        step = request.infer(asked([[text[length - 1]]], [[1] * length]))["logits"][0, 0]
        np.testing.assert_allclose(step[known[length - 1]], wanted[length - 1][known[length - 1]], atol=2e-4)


def test_padding_and_rows_that_change_places(lm, folder):
    request = compiled(folder)
    long, short = TEXTS
    request.infer(asked([long[:-1], [0, *short]], [[1] * 4, [0, 1, 1, 1]]))
    swapped = request.infer(asked([[8], [long[-1]]], [[0, 1, 1, 1, 1], [1] * 5], rows=[1, 0]))["logits"][:, 0]
    for row, text in ((0, [*short, 8]), (1, long)):
        wanted = lm.runtime.logits([text])[0, -1]
        known = np.isfinite(wanted)
        np.testing.assert_allclose(swapped[row][known], wanted[known], atol=2e-4)


def test_int8(lm, folder, tmp_path):
    told = kgpt2.convert("mini_zh", tmp_path / "int8", to="openvino", dtype="int8")
    assert told.dtype == "int8"
    size = [(where / "openvino_model.bin").stat().st_size for where in (folder, tmp_path / "int8")]
    assert size[1] < 0.3 * size[0]
    wanted = lm.runtime.logits(TEXTS[:1])[0]
    found = compiled(tmp_path / "int8").infer(asked(TEXTS[:1], [[1] * 5]))["logits"][0]
    # mini_zh is kept as int8 itself, so that next to nothing is lost.
    known = np.isfinite(wanted)
    assert np.abs(found[known] - wanted[known]).mean() < 0.05


@pytest.mark.parametrize(("dtype", "error"), [("float16", 0.02), ("bfloat16", 0.15)])
def test_halves(lm, tmp_path, dtype, error):
    """Stored as they are and computed with in float32."""
    kgpt2.convert("mini_zh", tmp_path / "out", to="openvino", dtype=dtype)
    wanted = lm.runtime.logits(TEXTS[:1])[0]
    known = np.isfinite(wanted)
    found = compiled(tmp_path / "out").infer(asked(TEXTS[:1], [[1] * 5]))["logits"][0]
    assert np.isfinite(found).all()
    assert np.abs(found[known] - wanted[known]).max() < error


def test_the_tokenizer_beside_it_is_read_by_transformers(folder):
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert tokenizer.convert_ids_to_tokens(tokenizer("春风")["input_ids"])[1:3] == ["春", "风"]


@pytest.mark.parametrize("to", ["keras", "transformers", "gguf"])
def test_int8_is_openvinos_alone(tmp_path, to):
    with pytest.raises(RequestError, match="int8 weights are OpenVINO's"):
        kgpt2.convert("mini_zh", tmp_path / "x.gguf", to=to, dtype="int8")


def test_an_export_is_not_read_back(folder, tmp_path):
    with pytest.raises(RequestError, match=r"an OpenVINO model is an export.*\nname the model that it was made from"):
        kgpt2.convert(folder, tmp_path / "back")
