"""Our BERT tokenizer against the one of transformers."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertTokenizer as Oracle

from kgpt2.checkpoints.bert_tokenizer import BertTokenizer, split_words
from kgpt2.checkpoints.vocabulary import count_vocabulary, read_vocabulary
from kgpt2.errors import RequestError

VOCABULARY = [
    "[PAD]",
    *(f"[unused{i}]" for i in range(1, 100)),
    *("[UNK]", "[CLS]", "[SEP]", "[MASK]", "<S>", "<T>"),
    *"春满神州花似锦福临华夏月如银，。！？：；、—…“”·,.!?-'#[]()",
    *"abcdefghijklmnopqrstuvwxyzABGPT0123456789éσς",
    *("##" + c for c in "abcdefghijklmnopqrstuvwxyz0123456789éσ"),
    *("hello", "##llo", "gpt", "##春", "##！", "##"),
]
PIECES = [
    *(
        "，",
        "。",
        "！",
        "：",
        "　",
        "\u00a0",
        "\u200b",
        "\ufeff",
        "\ufffd",
        "\x00",
        "\x0b",
        "\x85",
        "\t",
        "\n",
        "\u2028",
    ),
    *("ﬀ", "㈱", "é", "É", "e\u0301", "İ", "Σ", "ΑΣ", "ß", "Ａ", "１", "𠮷", "𫠠", "𫠡𫠢", "豈", "😀", "👨\u200d👩"),
    *("##", "##a", "[SEP]", "[CLS]", "[UNK]", "[SE", "P]", "[sep]", "[unused1]", "\ue000", "\ue002", "\U000f0000"),
    *("hello", "GPT-2", "don't", "2024", "한국어", "カタカナ", "a" * 100, "a" * 101, "é" * 60, "春", "满", "--", "……"),
]
# Cased pairs and decompositions that Python's Unicode does not know yet are out of reach of any table of ours.
KNOWN = st.characters(exclude_categories=("Cs", "Cn"))
TEXTS = st.lists(st.sampled_from(PIECES) | KNOWN | st.text(KNOWN, max_size=4), max_size=12).map("".join)


@pytest.fixture(scope="module", params=[False, True], ids=["cased", "lower"])
def pair(request):
    oracle = Oracle(vocab={t: i for i, t in enumerate(VOCABULARY)}, do_lower_case=request.param)
    return BertTokenizer(VOCABULARY, do_lower_case=request.param), oracle


@settings(max_examples=3000, deadline=None)
@given(text=TEXTS)
def test_ids_equal_those_of_transformers(pair, text):
    ours, oracle = pair
    assert ours.encode(text) == oracle(text, add_special_tokens=False)["input_ids"]


@pytest.mark.slow
@pytest.mark.parametrize("lower", [False, True])
def test_every_code_point_is_cleaned_and_split_as_the_library_does(lower):
    backend = Oracle(vocab={t: i for i, t in enumerate(VOCABULARY)}, do_lower_case=lower).backend_tokenizer
    different = set()
    for code in [*range(0xD800), *range(0xE000, 0x110000)]:
        text = f"a{chr(code)}b"
        words = backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(text))
        if split_words(text, lower, lower) != [word for word, _ in words]:
            different.add(code)
    # U+11938 and what this Python's Unicode does not assign yet: other case mappings and decompositions.
    assert {code for code in different if unicodedata.category(chr(code)) != "Cn"} <= ({0x11938} if lower else set())


def test_uer_defaults_keep_full_width_marks_and_cut_nothing():
    tokenizer = BertTokenizer(VOCABULARY)
    ids = tokenizer.encode("春满神州花似锦-福临华夏月如银，")
    assert len(ids) == 16
    assert tokenizer.decode([tokenizer.start_id, *ids, tokenizer.end_id]) == "春满神州花似锦-福临华夏月如银，"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("春 满 ， hello gpt", "春满，hello gpt"),
        ("hello , gpt ! ( a )", "hello, gpt! (a)"),
        ("a春b", "a春b"),
        ("春𠮷", "春[UNK]"),
        ("", ""),
    ],
)
def test_text_without_stray_spaces(text, shown):
    tokenizer = BertTokenizer(VOCABULARY)
    assert tokenizer.decode(tokenizer.encode(text)) == shown


def test_default_bans_are_what_no_good_text_holds():
    tokenizer = BertTokenizer(VOCABULARY)
    banned = {VOCABULARY[index] for index in tokenizer.default_bans}
    assert {"[PAD]", "[UNK]", "[CLS]", "[MASK]", "[unused7]", "##llo", "##"} <= banned
    assert not {"[SEP]", "春", "hello", "#"} & banned


def test_a_counted_vocabulary_writes_its_texts_without_unknowns():
    texts = ["春眠不觉晓，", "GPT-2, 2019年", "𠮷野家", "naïve café"]
    vocabulary = count_vocabulary(texts)
    tokenizer = BertTokenizer(vocabulary)
    for text in texts:
        assert tokenizer.unknown_id not in tokenizer.encode(text)
    assert vocabulary == count_vocabulary(list(reversed(texts)))
    assert tokenizer.decode(tokenizer.encode("naïve café")) == "naïve café"
    assert all(not vocabulary[index].startswith("##") for index in tokenizer.default_bans)


def test_vocabulary_files_keep_their_white_space(tmp_path):
    path = tmp_path / "vocab.txt"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u3000", "\u2028x", "春"]
    path.write_text("\n".join(tokens) + "\n", "utf-8", newline="\n")
    assert read_vocabulary(path) == tokens
    path.write_text("\n".join(tokens[2:]), "utf-8")
    with pytest.raises(RequestError, match=r"lacks \[PAD\], \[UNK\]"):
        read_vocabulary(path)
