"""Models that begin and end texts, and break lines, with tokens of their own."""

import json

import pytest

import kgpt2 as package
from kgpt2.checkpoints.bert_tokenizer import BertTokenizer
from kgpt2.checkpoints.names import read_model
from kgpt2.checkpoints.special_tokens import SpecialTokens
from kgpt2.conversion.convert import convert
from kgpt2.errors import RequestError
from tests import hugging_face

torch = pytest.importorskip("torch")
SHAPE = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 32}
# [MASK] begins, [CLS] ends, [SEP] is a line end: how GPT2-Chinese (Morizeyao) prepares its texts.
GPT2_CHINESE = SpecialTokens("[MASK]", "[CLS]", "[SEP]")


@pytest.fixture(scope="module")
def chinese(tmp_path_factory):
    """A folder with GPT2-Chinese's kind of vocabulary, whose first [unused] places hold quotation marks."""
    folder = tmp_path_factory.mktemp("models") / "chinese"
    vocabulary = hugging_face.bert_vocabulary(260)
    vocabulary[1:5] = "“”’‘"
    hugging_face.write_bert_tokenizer(folder, vocabulary)
    model = hugging_face.random_model(len(vocabulary), **SHAPE)
    hugging_face.write_config(folder, model, uer=True)
    hugging_face.write_weights(folder, model, "safetensors")
    return folder


@pytest.fixture
def english(tmp_path):
    """A folder of byte-level BPE whose vocabulary has <s>, <nl> and </s>, and no <|endoftext|>."""
    folder = tmp_path / "english"
    vocabulary, merges = hugging_face.bpe_vocabulary()
    del vocabulary["<|endoftext|>"]
    vocabulary = {token: i for i, token in enumerate(["<s>", "<pad>", "</s>", "<nl>", *vocabulary])}
    hugging_face.write_bpe_tokenizer(folder, vocabulary, merges)
    model = hugging_face.random_model(len(vocabulary), **SHAPE)
    hugging_face.write_config(folder, model)
    hugging_face.write_weights(folder, model, "safetensors")
    return folder


def set_json(path, **values):
    path.write_text(json.dumps({**(json.loads(path.read_text("utf-8")) if path.exists() else {}), **values}), "utf-8")


def test_what_default_bans_forbid_in_a_vocabulary_of_gpt2_chinese(chinese):
    tokenizer = read_model(str(chinese)).tokenizer
    unused = {i for i, token in enumerate(tokenizer.vocabulary) if token.startswith("[unused")}
    pieces = {i for i, token in enumerate(tokenizer.vocabulary) if token.startswith("##")}
    assert len(unused) == 95
    assert pieces
    assert set(tokenizer.default_bans) == unused | pieces | {0, 100, 101, 103}
    own = read_model(str(chinese), GPT2_CHINESE).tokenizer
    assert set(own.default_bans) == unused | pieces | {0, 100, 103}, "the end and the line break may come"


def test_lines_of_gpt2_chinese(chinese):
    tokenizer = read_model(str(chinese), GPT2_CHINESE).tokenizer
    spring, full = (tokenizer.token_to_id[sign] for sign in "春满")
    assert (tokenizer.start_id, tokenizer.end_id) == (103, 101)
    for text in ("春\n满", "春\r\n满", "春\r满", "春[SEP]满"):
        assert tokenizer.encode(text) == [spring, 102, full]
    assert tokenizer.encode_batch(["春\n"]) == [[spring, 102]]
    assert tokenizer.decode([103, spring, 102, 102, full, 101]) == "春\n\n满"
    assert read_model(str(chinese)).tokenizer.encode("春\n满") == [spring, full]


def test_lines_of_byte_level_bpe(english):
    tokenizer = read_model(str(english), SpecialTokens("<s>", "</s>", "<nl>")).tokenizer
    ids = tokenizer.encode("hello\n world")
    assert ids.count(tokenizer.token_to_id["<nl>"]) == 1
    assert tokenizer.decode([0, *ids, 2]) == "hello\n world"
    assert tokenizer.encode_batch(["hello\n world"]) == [ids]


@pytest.mark.parametrize("told", ["config.json", "generation_config.json", "tokenizer_config.json"])
def test_a_start_and_an_end_that_the_files_tell(english, told):
    with pytest.raises(RequestError, match=r"it lacks <\|endoftext\|>\n--start-token and --end-token"):
        read_model(str(english))
    set_json(english / "config.json", bos_token_id=None, eos_token_id=None)
    if told == "tokenizer_config.json":
        set_json(english / told, bos_token="<s>", eos_token={"content": "</s>", "special": True})
    else:
        set_json(english / told, bos_token_id=0, eos_token_id=[2])
    tokenizer = read_model(str(english)).tokenizer
    assert (tokenizer.start_id, tokenizer.end_id) == (0, 2)
    assert tokenizer.decode([0, *tokenizer.encode("hello"), 2]) == "hello"
    assert 0 in tokenizer.default_bans
    assert 2 not in tokenizer.default_bans


def test_what_is_named_counts_more_than_what_the_files_tell(chinese):
    tokenizer = read_model(str(chinese), SpecialTokens(end="[unused7]")).tokenizer
    assert (tokenizer.start_id, tokenizer.end_id) == (101, 7)
    assert 7 not in tokenizer.default_bans


def test_gpt2s_own_id_is_nobodys_word(tmp_path):
    """GPT2Config fills 50256 in where nobody said anything; the tokenizer's first token was chosen by somebody."""
    folder = tmp_path / "model"
    vocabulary, merges = hugging_face.bpe_vocabulary()
    hugging_face.write_bpe_tokenizer(folder, {**vocabulary, "<|startoftext|>": len(vocabulary)}, merges)
    set_json(folder / "tokenizer_config.json", bos_token="<|startoftext|>", eos_token="<|endoftext|>")
    model = hugging_face.random_model(len(vocabulary) + 1, **SHAPE)
    hugging_face.write_config(folder, model)
    hugging_face.write_weights(folder, model, "safetensors")
    tokenizer = read_model(str(folder)).tokenizer
    assert (tokenizer.start_token, tokenizer.end_token) == ("<|startoftext|>", "<|endoftext|>")


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (SpecialTokens(start="[MASQUE]"), r"start_token: .* no token '\[MASQUE\]'\nit has \[MASK\]"),
        (SpecialTokens(end="<eos>"), "end_token: .* no token '<eos>'"),
        (SpecialTokens(end=""), "end_token: '' will not do"),
        (SpecialTokens(start=5), "start_token: 5 will not do"),
        (SpecialTokens(end="[CLS]", newline="[CLS]"), r"newline_token: '\[CLS\]' breaks lines, so texts cannot end"),
    ],
)
def test_tokens_that_will_not_do(chinese, tokens, words):
    with pytest.raises(RequestError, match=words):
        read_model(str(chinese), tokens)


@pytest.mark.parametrize("to", ["keras", "transformers"])
@pytest.mark.parametrize("family", ["chinese", "english"])
def test_convert_records_them(request, tmp_path, family, to):
    tokens = GPT2_CHINESE if family == "chinese" else SpecialTokens("<s>", "</s>", "<nl>")
    before = read_model(str(request.getfixturevalue(family)), tokens)
    convert(before, tmp_path / "out", to)
    after = read_model(str(tmp_path / "out")).tokenizer
    assert (after.tokens, after.default_bans) == (tokens, before.tokenizer.default_bans)
    assert after.encode("hello\n春") == before.tokenizer.encode("hello\n春")


def test_the_keras_classes_know_them(chinese, english, tmp_path):
    import keras
    import keras_hub

    from kgpt2 import models

    for folder, tokens in ((chinese, GPT2_CHINESE), (english, SpecialTokens("<s>", "</s>", "<nl>"))):
        checkpoint = read_model(str(folder), tokens)
        models.save_preset(models.load_task(checkpoint), tmp_path / folder.name)
        assert read_model(str(tmp_path / folder.name)).tokenizer.tokens == tokens
        task = keras_hub.models.CausalLM.from_preset(str(tmp_path / folder.name))
        plain, ours = checkpoint.tokenizer, task.preprocessor.tokenizer
        assert (ours.start_token_id, ours.end_token_id) == (plain.start_id, plain.end_id)
        ids = task.preprocessor.generate_preprocess(["hello"], sequence_length=8)["token_ids"]
        assert keras.ops.convert_to_numpy(ids)[0][: 1 + len(plain.encode("hello"))].tolist() == [
            plain.start_id,
            *plain.encode("hello"),
        ]


@pytest.mark.parametrize("text", ["春\n满 GPT gpt", "x新词\r\n[CLS]春", "Gpt[SEP]"])
def test_inside_tf_data(text):
    tf = pytest.importorskip("tensorflow")
    from kgpt2.models import ChineseGPT2Tokenizer

    vocabulary = [*hugging_face.bert_vocabulary(220), "GPT", "新词"]
    added = {"GPT": False, "新词": False}
    plain = BertTokenizer(vocabulary, True, None, added, ["GPT", "新词"], GPT2_CHINESE)
    ours = ChineseGPT2Tokenizer(
        vocabulary,
        True,
        None,
        added,
        ["GPT", "新词"],
        **GPT2_CHINESE.named(),
    )
    inside = next(iter(tf.data.Dataset.from_tensors([text]).map(ours)))
    assert inside.to_list() == [plain.encode(text)]
    assert ours(text).tolist() == plain.encode(text)


def test_python_and_the_commands_take_the_names(chinese, kgpt2, tmp_path):
    pytest.importorskip("openvino")
    (tmp_path / "texts.txt").write_text("春满神州\n", "utf-8")
    names = ("--start-token", "[MASK]", "--end-token", "[CLS]", "--newline-token", "[SEP]")
    lm = package.load(chinese, start_token="[MASK]", end_token="[CLS]", newline_token="[SEP]")
    (wanted,) = lm.generate("春\n满", sampler="greedy", max_new_tokens=4)
    assert wanted.token_ids[0] == 103
    assert 102 in wanted.token_ids
    asked = ("generate", "春\n满", "--model", chinese, *names, "--sampler", "greedy", "--max-new-tokens", 4, "--json")
    assert json.loads(kgpt2(*asked).out)["token_ids"] == wanted.token_ids
    found = kgpt2("tokenize", "春\n满", "--model", chinese, *names, "--json")
    assert json.loads(found.out)["tokens"] == ["春", "[SEP]", "满"]
    report = kgpt2("evaluate", chinese, "--data", tmp_path / "texts.txt", *names, "--json")
    assert json.loads(report.out)["loss"] == pytest.approx(lm.score("春满神州")[0].loss, abs=1e-5)
    assert kgpt2("convert", chinese, tmp_path / "preset", *names).status == 0
    again = package.load(tmp_path / "preset").generate("春\n满", sampler="greedy", max_new_tokens=4)
    assert again[0].token_ids == wanted.token_ids
    failed = kgpt2("generate", "春", "--model", chinese, "--end-token", "[EOS]")
    assert failed.status == 2
    assert "end_token: the model's vocabulary has no token '[EOS]'" in failed.err
