"""Marks and characters as a vocabulary has them, the same for training, evaluation and generation."""

import pytest

from kgpt2.checkpoints.bert_tokenizer import SPECIAL_TOKENS, BertTokenizer
from kgpt2.checkpoints.bpe_tokenizer import BpeTokenizer, read_bpe_files
from kgpt2.checkpoints.vocabulary import count_vocabulary
from kgpt2.config.settings import Settings
from kgpt2.data.example import Example, Report
from kgpt2.data.reading import ENDS, FORMS, Reader, read_examples, unknown_in
from kgpt2.data.sources import inline
from kgpt2.data.token_cache import counted_tokenizer, tokenise
from kgpt2.generation.prompts import prepare_prompts

HAN = "春眠不觉晓处闻啼鸟文件名网址他说你好风凤国第一句静夜思山"
LATIN = "txhp:"


def vocabulary(signs: str, google: bool = False) -> BertTokenizer:
    reserved = ["[unused1]"] if google else []
    return BertTokenizer([*SPECIAL_TOKENS, *reserved, *HAN, *LATIN.replace(":", ""), *dict.fromkeys(signs)])


GOOGLES = vocabulary(',.;:?!，。；：？！"─⋯-', google=True)
FULL = vocabulary("，。；：？！（）…")
HALF = vocabulary(",.;:?!\"'-()")
BOTH = vocabulary(",.;:?!，。；：？！“”—…")


@pytest.mark.parametrize(
    ("codec", "given", "read"),
    [
        *[(codec, "春眠不觉晓,处处闻啼鸟.", "春眠不觉晓，处处闻啼鸟。") for codec in (GOOGLES, FULL)],
        *[(codec, "春眠, 不觉!晓?\n春:眠;", "春眠， 不觉！晓？\n春：眠；") for codec in (GOOGLES, FULL)],
        *[(codec, text, text) for codec in (HALF, BOTH) for text in ("春眠不觉晓,处处闻啼鸟.", "春?", "春眠, 不觉")],
        *[
            (codec, text, text)
            for codec in (GOOGLES, FULL, HALF, BOTH)
            for text in ("文件名.txt", "网址:http", "3.14", "a,b", "春,a", "a,春", "春3,000", "", "春眠", "12:30")
        ],
        (FULL, "春(眠)不", "春（眠）不"),
        (FULL, "(春)晓", "（春）晓"),
        (FULL, "晓\n(春)", "晓\n（春）"),
        (FULL, "(a)", "(a)"),
        (FULL, "春...眠", "春…眠"),
        (GOOGLES, "春...眠", "春...眠"),
        (GOOGLES, "《静夜思》:春", "《静夜思》：春"),
        (GOOGLES, "第一句.\nhttp", "第一句。\nhttp"),
        (HALF, "春眠不觉晓，处处闻啼鸟。", "春眠不觉晓,处处闻啼鸟."),
        (HALF, "他说：“你好”…（春）", '他说:"你好"...(春)'),
        (HALF, "http，", "http,"),
        (GOOGLES, "他说“你好”——春…", '他说"你好"──春⋯'),
        (BOTH, "他说“你好”—春…", "他说“你好”—春…"),
        (FULL, "“春”", "“春”"),
        (FULL, "山風,鳳國", "山风，凤国"),
        (FULL, "春,[SEP]眠.", "春，[SEP]眠。"),
    ],
)
def test_marks_take_the_form_that_the_vocabulary_has(codec, given, read):
    reader = Reader(codec)
    assert reader(given) == read
    assert reader(given) == read, "what has been found out stays"
    assert reader(read) == read


def test_what_is_read_instead_is_told():
    assert Reader(HALF).replaced("春，“眠”，不,") == {"，": ",", "“": '"', "”": '"'}
    assert Reader(GOOGLES).replaced("春,“眠”，") == {"“": '"', "”": '"'}
    assert Reader(FULL).replaced("春,風") == {}, "characters in the other script are the same ones"


@pytest.mark.parametrize("codec", [GOOGLES, FULL, HALF, BOTH])
@pytest.mark.parametrize("text", ["春眠不觉晓,处处闻啼鸟.", "春眠不觉晓，处处闻啼鸟。", "他说“你好”", "山風"])
@pytest.mark.parametrize("as_typed", [False, True])
def test_training_evaluation_and_generation_read_alike(codec, text, as_typed):
    learned = tokenise(inline([text]), codec, strict=True, as_typed=as_typed).table[0].tolist()
    (example,) = read_examples([Example(text)], codec, Report(), as_typed)
    (prompt,) = prepare_prompts([text], codec, 64, Settings(as_typed=as_typed), Reader(codec).prompt)
    assert learned == [codec.start_id, *codec.encode(example.text), codec.end_id]
    assert learned == [*prompt.ids, codec.end_id]
    if as_typed:
        assert example.text == text


def test_a_vocabulary_counted_from_half_width_text_keeps_it():
    source = inline(["床前明月光,疑是地上霜."])
    codec = counted_tokenizer([source])
    made = tokenise(source, codec, strict=True)
    assert made.unknown == 0
    (prompt,) = prepare_prompts(["床前明月光,"], codec, 64, Settings(), Reader(codec).prompt)
    assert prompt.ids == made.table[0][: len(prompt.ids)].tolist()


@pytest.mark.parametrize(
    ("prompt", "text", "read", "cleaned"),
    [
        ("", "[CLS]春眠[SEP]", ("", "春眠"), {ENDS: 1}),
        ("", " [CLS] 春眠 [SEP]\n", ("", " 春眠 "), {ENDS: 1}),
        ("[CLS]春,", "眠.", ("春，", "眠。"), {ENDS: 1, FORMS: 1}),
        ("春", ",眠", ("春", "，眠"), {FORMS: 1}),
        ("春眠,", "world", ("春眠，", "world"), {FORMS: 1}),
        ("", "春[SEP]眠", ("", "春[SEP]眠"), {}),
        ("春", "眠", ("春", "眠"), {}),
    ],
)
def test_examples_lose_what_every_text_gets_and_it_is_counted(prompt, text, read, cleaned):
    report = Report()
    (example,) = read_examples([Example(text, prompt, "g")], FULL, report)
    assert (example.prompt, example.text, example.group) == (*read, "g")
    assert dict(+report.cleaned) == cleaned
    (same,) = read_examples([Example(text, prompt, "g")], FULL, report, as_typed=True)
    assert (same.prompt, same.text) == (prompt, text)


def test_start_and_end_tokens_leave_no_characters_in_a_counted_vocabulary():
    codec = counted_tokenizer([inline(["[CLS]春眠[SEP]", "[CLS][SEP]"])])
    assert codec.vocabulary == [*SPECIAL_TOKENS, "春", "眠"]
    made = tokenise(inline(["[CLS]春眠[SEP]", "[CLS][SEP]"]), codec, strict=True)
    assert made.table.ids.tolist() == [codec.start_id, *codec.encode("春眠"), codec.end_id]
    assert (made.dropped, made.cleaned) == ({"empty": 1}, {ENDS: 2})


def test_byte_level_vocabularies_read_everything_but_their_end_of_text(english_files):
    codec = BpeTokenizer(*read_bpe_files(english_files / "vocabulary.json", english_files / "merges.txt"))
    reader = Reader(codec)
    assert reader("床前明月光, “hello” [CLS]") == "床前明月光, “hello” [CLS]"
    assert reader.prompt("<|endoftext|>hello ") == "hello "
    (example,) = read_examples([Example("<|endoftext|> hello <|endoftext|>")], codec, Report())
    assert example.text == " hello "


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("春龘眠鱻龘", ["龘", "鱻"]),
        ("春ＡＢＣ１２３眠", ["ＡＢＣ１２３"]),
        ("春" + "t" * 101, ["t" * 101]),
        ("春" + "t" * 3, ["ttt"]),
        ("txt，“春”", ["txt", "“", "”"]),
        ("[UNK]春[SEP]", []),
        ("春眠", []),
        ("", []),
    ],
)
def test_every_word_that_becomes_unk_is_named(text, unknown):
    assert unknown_in(text, FULL) == unknown
    tokens = FULL.encode(text.replace("[UNK]", ""))
    assert (FULL.unknown_id in tokens) == bool(unknown)


def test_a_vocabulary_counted_from_a_text_reads_it_as_it_is():
    text = "床前明月光，“疑是”地上霜—…,."
    codec = BertTokenizer(count_vocabulary([text]))
    assert Reader(codec)(text) == text
