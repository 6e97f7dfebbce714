"""The Keras tokenizer, in plain Python and inside tf.data, against the one of transformers."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from transformers import BertTokenizer as Oracle

from tests.checkpoints.test_bert_tokenizer import PIECES, TEXTS, VOCABULARY


@pytest.fixture(scope="module", params=[False, True], ids=["cased", "lower"])
def tokenizer(request):
    from kgpt2.models import ChineseGPT2Tokenizer

    return ChineseGPT2Tokenizer(VOCABULARY, do_lower_case=request.param)


@pytest.fixture(scope="module")
def oracle(tokenizer):
    return Oracle(vocab={t: i for i, t in enumerate(VOCABULARY)}, do_lower_case=tokenizer.do_lower_case)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(texts=TEXTS.map(lambda text: [text[i:] for i in range(0, len(text), 3)] + PIECES[: len(text)]))
def test_inside_tf_data_the_ids_equal_those_of_transformers(tokenizer, oracle, texts):
    tf = pytest.importorskip("tensorflow")
    texts = texts or ["春"]
    wanted = [oracle(text, add_special_tokens=False)["input_ids"] for text in texts]
    dataset = tf.data.Dataset.from_tensor_slices(texts).batch(len(texts)).map(tokenizer)
    assert next(iter(dataset)).to_list() == wanted
    assert tokenizer(texts) == wanted


def test_the_shape_of_what_comes_out(tokenizer):
    one = tokenizer("春满")
    assert isinstance(one, np.ndarray)
    assert (one.dtype, one.shape) == (np.int32, (2,))
    assert tokenizer(["春满", "神"]) == [one.tolist(), tokenizer("神").tolist()]
    assert tokenizer(np.array(["春满"])) == [one.tolist()]
    assert tokenizer.detokenize(one) == "春满"
    assert tokenizer.detokenize([one.tolist(), []]) == ["春满", ""]
    assert tokenizer.detokenize(keras.ops.convert_to_tensor(one[None])) == ["春满"]


def test_the_preprocessor_packs_in_python_and_in_tf_data_alike(tokenizer):
    tf = pytest.importorskip("tensorflow")
    from kgpt2.models import ChineseGPT2CausalLMPreprocessor

    preprocessor = ChineseGPT2CausalLMPreprocessor(tokenizer, sequence_length=6)
    texts = ["春满神州花似锦", "春，"]
    x, y, weight = preprocessor(texts)
    start, end = tokenizer.start_token_id, tokenizer.end_token_id
    assert np.asarray(x["token_ids"])[1].tolist() == [start, *tokenizer("春，"), end, 0, 0]
    assert np.asarray(y)[1].tolist() == [*tokenizer("春，"), end, 0, 0, 0]
    assert np.asarray(weight)[1].tolist() == [True, True, True, False, False, False]
    inside = next(iter(tf.data.Dataset.from_tensor_slices(texts).batch(2).map(preprocessor)))
    for one, other in zip(keras.tree.flatten((x, y, weight)), keras.tree.flatten(inside), strict=True):
        assert np.asarray(one).tolist() == np.asarray(other).tolist()


def test_it_survives_serialisation(tokenizer, tmp_path):
    from kgpt2.models import ChineseGPT2Tokenizer

    tokenizer.save_assets(str(tmp_path))
    again = ChineseGPT2Tokenizer.from_config(tokenizer.get_config())
    again.load_assets(str(tmp_path))
    assert again.get_vocabulary() == VOCABULARY
    assert again(PIECES) == tokenizer(PIECES)
    assert again.get_config() == tokenizer.get_config()
