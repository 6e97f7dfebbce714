"""The GGUF file in llama.cpp itself. llama-cpp-python is built for minutes, so it is no part of the test extra."""

import numpy as np
import pytest

from kgpt2.checkpoints.names import read_model
from kgpt2.conversion.convert import convert
from tests import hugging_face
from tests.parity.test_conversion import PROMPT, TOKENS, assert_same_tokens, transformers_says

llama_cpp = pytest.importorskip("llama_cpp")
pytest.importorskip("torch")
pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 5e-3), ("float16", 0.1), ("bfloat16", 0.5)])
def test_llama_cpp_says_what_transformers_says(tmp_path, dtype, tolerance):
    folder = tmp_path / "model"
    vocabulary, merges = hugging_face.bpe_vocabulary()
    hugging_face.write_bpe_tokenizer(folder, vocabulary, merges)
    # llama.cpp looks GELU up in a table of float16 values, so its float32 logits are not exact to the last digits.
    model = hugging_face.random_model(len(vocabulary), n_embd=64, n_head=4, n_positions=128)
    hugging_face.write_config(folder, model)
    hugging_face.write_weights(folder, model, "bin")
    checkpoint = read_model(str(folder))
    convert(checkpoint, tmp_path / "model.gguf", "gguf", dtype)
    llama = llama_cpp.Llama(str(tmp_path / "model.gguf"), n_ctx=128, verbose=False, logits_all=True)

    prompt = PROMPT["bpe"]
    ids = [checkpoint.tokenizer.start_id, *checkpoint.tokenizer.encode(prompt)]
    assert llama.tokenize(prompt.encode()) == ids, "the start token is put in front"
    assert (llama.token_bos(), llama.token_eos()) == (checkpoint.tokenizer.start_id,) * 2
    logits, sequence, lead = transformers_says(model, ids)
    llama.eval(ids)
    assert np.abs(llama.scores[: len(ids)] - logits).max() < tolerance
    if dtype == "float32":
        ours = list(ids)
        while len(ours) < len(ids) + TOKENS:
            ours.append(int(np.argmax(llama.scores[llama.n_tokens - 1])))
            llama.eval(ours[-1:])
        assert_same_tokens(ours, sequence, np.maximum(lead - tolerance, 0), len(ids))
