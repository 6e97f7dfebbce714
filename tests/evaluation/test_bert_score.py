"""BERTScore against the paper's definition, with a small random BERT."""

import numpy as np
import pytest

from kgpt2.errors import RequestError
from kgpt2.evaluation.bert_score import bert_score, matched

torch = pytest.importorskip("torch")
TEXTS, REFERENCES = ["春风又绿", "明月", "花"], ["春风吹又生", "明月何时照我还", "花"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("bert")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set("".join(TEXTS + REFERENCES)))]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", "utf-8")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(tokens), **shape)).save_pretrained(folder)
    return folder


def test_the_matching_of_the_paper():
    """Figure 1 of arXiv:1904.09675 in small: two tokens between the marks of both ends."""
    candidate = np.array([[1, 0, 0], [0, 1, 0], [0.6, 0.8, 0], [0, 0, 1]])
    reference = np.array([[1, 0, 0], [0, 0.8, 0.6], [0, 0, 1]])
    # Best matches: the candidate's tokens 0.8 and 0.64, the reference's one 0.8.
    precision, recall, f1 = matched(candidate, reference)
    assert (precision, recall) == pytest.approx(((0.8 + 0.64) / 2, 0.8))
    assert f1 == pytest.approx(2 * 0.72 * 0.8 / 1.52)
    assert matched(candidate[:2], reference) == (0, 0, 0), "an empty text"


def test_each_pair_by_hand(bert):
    from transformers import AutoModel, AutoTokenizer

    network, tokenizer = AutoModel.from_pretrained(bert).eval(), AutoTokenizer.from_pretrained(bert)
    for layer in (1, 3):
        expected = []
        for text, reference in zip(TEXTS, REFERENCES, strict=True):
            rows = []
            for one in (text, reference):
                inputs = tokenizer(one, return_tensors="pt")
                with torch.no_grad():
                    hidden = network(**inputs, output_hidden_states=True).hidden_states[layer][0].numpy()
                rows.append(hidden / np.linalg.norm(hidden, axis=1, keepdims=True))
            alike = rows[0] @ rows[1].T
            expected.append((alike.max(1)[1:-1].mean(), alike.max(0)[1:-1].mean()))
        found = bert_score(TEXTS, REFERENCES, str(bert), layer)
        assert found["bert_score_precision"] == pytest.approx(np.mean([one[0] for one in expected]), abs=1e-6)
        assert found["bert_score_recall"] == pytest.approx(np.mean([one[1] for one in expected]), abs=1e-6)
    assert bert_score(TEXTS, TEXTS, str(bert)) == pytest.approx(
        {"bert_score_precision": 1, "bert_score_recall": 1, "bert_score_f1": 1}
    )


def test_what_is_refused(bert, tmp_path):
    for model, layer, words in (
        (str(bert), 4, "layers 1 to 3"),
        (str(tmp_path), None, "no BERT"),
        ("x", None, "not a"),
    ):
        with pytest.raises(RequestError, match=words):
            bert_score(TEXTS, REFERENCES, model, layer)
