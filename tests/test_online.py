"""The real models, downloaded: python -m pytest -m online (about 3 GB)."""

import numpy as np
import pytest

from kgpt2.checkpoints.names import read_model
from kgpt2.conversion.convert import convert
from tests import hugging_face

pytestmark = [pytest.mark.online, pytest.mark.timeout(3600)]
SIZES = {"poem": 22_557, "ancient": 25_370}


@pytest.mark.parametrize(
    ("model", "prompt"),
    [
        ("hf://openai-community/gpt2", "My trip was"),
        *((f"hf://uer/gpt2-chinese-{name}", "春满神州花似锦-") for name in hugging_face.UER),
    ],
)
def test_the_real_checkpoints(model, prompt, tmp_path):
    torch = pytest.importorskip("torch")
    import kgpt2.models as models
    from kgpt2.generation.keras.runtime import KerasRuntime
    from tests.parity.test_conversion import assert_same_tokens, greedy, reloaded, transformers_says

    checkpoint = read_model(model)
    if checkpoint.is_chinese:
        assert checkpoint.shape.vocabulary_size == SIZES.get(model.rsplit("-", 1)[1], 21_128)
    from transformers import AutoModelForCausalLM

    theirs = AutoModelForCausalLM.from_pretrained(checkpoint.folder, dtype=torch.float32).eval()
    ids = [checkpoint.tokenizer.start_id, *checkpoint.tokenizer.encode(prompt)]
    logits, sequence, lead = transformers_says(theirs, ids)
    ours = greedy(KerasRuntime(models.load_task(checkpoint)), checkpoint, prompt)
    assert_same_tokens(ours, sequence, lead, len(ids))
    convert(checkpoint, tmp_path / "out", "transformers")
    again, _ = reloaded(tmp_path / "out")
    with torch.no_grad():
        assert np.abs(again(torch.tensor([ids])).logits[0].numpy() - logits).max() < 1e-4


def test_a_kerashub_preset():
    checkpoint = read_model("gpt2_base_en")
    assert checkpoint.shape.vocabulary_size == checkpoint.tokenizer.vocabulary_size == 50_257
    with checkpoint.open_weights() as tensors:
        assert set(tensors) == set(checkpoint.shape.tensors())
