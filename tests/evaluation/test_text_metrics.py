"""Text metrics against their reference libraries, and against examples worked out in or after their papers."""

import random

import pytest

from kgpt2.evaluation import text_metrics as metrics

COUPLETS = ["海内存知己", "天涯若比邻", "白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼"]


def test_rouge_l_of_the_paper():
    """Lin 2004, section 3.1, a letter for each word: police killed the gunman; police kill the gunman; the gunman
    kill police."""
    assert metrics.rouge_l("pktg", "pxtg") == pytest.approx(3 / 4)
    assert metrics.rouge_l("tgkp", "pxtg") == pytest.approx(2 / 4)


def test_rouge_l_equals_the_library():
    scorer = pytest.importorskip("rouge_score.rouge_scorer")

    class Characters:
        def tokenize(self, text):
            return list(text)

    theirs = scorer.RougeScorer(["rougeL"], tokenizer=Characters())
    draw = random.Random(0)
    for _ in range(300):
        text, reference = ("".join(draw.choices("山水风云日", k=draw.randint(1, 12))) for _ in range(2))
        assert metrics.rouge_l(text, reference) == pytest.approx(theirs.score(reference, text)["rougeL"].fmeasure)


def test_bleu_and_chrf_are_those_of_sacrebleu():
    sacrebleu = pytest.importorskip("sacrebleu")
    texts = ["海内有知己", "天涯若比邻", "白日山依尽", "大河入海流", "欲穷千里目", "更上两层楼"]
    found = metrics.reference_metrics(texts, COUPLETS)
    spaced = [[" ".join(text) for text in side] for side in (texts, COUPLETS)]
    wanted = sacrebleu.corpus_bleu(spaced[0], [spaced[1]], tokenize="none").score / 100
    assert found["bleu"] == pytest.approx(wanted)
    assert found["chrf"] == pytest.approx(sacrebleu.corpus_chrf(texts, [COUPLETS]).score / 100)
    assert 0 < found["bleu"] < found["rouge_l"] < 1


def test_a_text_that_is_its_reference_has_full_marks():
    found = metrics.reference_metrics(COUPLETS, COUPLETS)
    # One run of five matches costs METEOR half of (1/5) cubed.
    assert found.pop("meteor") == pytest.approx(1 - 0.5 / 125)
    assert found == pytest.approx(dict.fromkeys(found, 1.0))
    nothing = metrics.reference_metrics(["", "春"], ["花", "月"])
    assert nothing["rouge_l"] == nothing["meteor"] == nothing["f1"] == 0


def test_meteor_by_hand():
    """Precision 4/5 and recall 4/6 in two chunks: a mean of 10PR/(R+9P), a penalty of half of (2/4) cubed."""
    precision, recall = 4 / 5, 4 / 6
    mean = 10 * precision * recall / (recall + 9 * precision)
    assert metrics.meteor("abxcd", "abcdef") == pytest.approx(mean * (1 - 0.5 * (2 / 4) ** 3))
    # The second a goes on with its neighbour's match rather than with the first a of the reference.
    assert metrics.meteor("ba", "aba") == pytest.approx(10 * (2 / 3) / (2 / 3 + 9) * (1 - 0.5 * (1 / 2) ** 3))


def test_overlap_counts_characters_as_often_as_both_have_them():
    precision, recall, f1 = metrics.overlap("aab", "abbc")
    assert (precision, recall) == (2 / 3, 2 / 4)
    assert f1 == pytest.approx(2 * (2 / 3) * (1 / 2) / (2 / 3 + 1 / 2))


def test_distinct_and_repetition():
    assert metrics.distinct(["abab", "ab"], 1) == 2 / 6
    assert metrics.distinct(["abab", "ab"], 2) == 2 / 4
    assert metrics.distinct([""], 2) == 0
    found = metrics.free_metrics(["abab", "xy"])
    assert found["repetition"] == pytest.approx((1 / 3 + 0) / 2)


def test_self_bleu():
    assert metrics.self_bleu(["春眠不觉晓"]) == 0
    assert metrics.self_bleu(["春眠不觉晓"] * 3) == pytest.approx(1)
    assert metrics.self_bleu(["春眠不觉晓", "白日依山尽"]) < 0.1
    assert metrics.self_bleu(COUPLETS * 40) == pytest.approx(1)


def test_copies():
    training = ["白日依山尽，黄河入海流。", "春眠不觉晓"]
    assert metrics.copy_rate(["白日依山尽，黄河"], training) == 1
    assert metrics.copy_rate(["白日依山尽，黄河水"], training) == 1 / 2
    assert metrics.copy_rate(["春眠不觉晓"], training) == 0, "too short to tell"
    assert metrics.copy_rate([], training) == 0
