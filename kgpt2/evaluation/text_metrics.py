"""How good texts are: against references, against each other, and against what the model learned from.

Everything is counted in characters, which needs no word segmentation and is what Chinese verse is made of. BLEU and
chrF are sacrebleu's; the rest are short formulas from the papers named.
"""

import collections
import itertools
import random
from collections.abc import Iterable, Iterator, Sequence

# Texts that self-BLEU compares with each other: the work grows with the square of their number.
SELF_BLEU_TEXTS = 100
# A run of so many characters that stands in the training text too counts as copied.
COPIED = 8


def reference_metrics(texts: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Scores of texts against one reference each, from 0 to 1.

    Args:
        texts: what was generated.
        references: what a person wrote, in the same order.

    Returns:
        bleu (Papineni et al. 2002) and chrf (Popović 2015), corpus scores of sacrebleu over characters; rouge_l (Lin
        2004), meteor, precision, recall and f1 of the characters, means over texts.

    Example:
        >>> reference_metrics(["春风又绿江南岸"], ["春风又绿江南岸"])["rouge_l"]
        1.0
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    pairs = list(zip(texts, references, strict=True))
    overlaps = [overlap(text, reference) for text, reference in pairs]
    precision, recall, f1 = (_mean(values) for values in zip(*overlaps, strict=True))
    return {
        "bleu": BLEU(tokenize="char").corpus_score(texts, [references]).score / 100,
        "chrf": CHRF().corpus_score(texts, [references]).score / 100,
        "rouge_l": _mean(rouge_l(*pair) for pair in pairs),
        "meteor": _mean(meteor(*pair) for pair in pairs),
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }


def free_metrics(texts: Sequence[str]) -> dict[str, float]:
    """What texts tell without a reference, from 0 to 1.

    Returns:
        distinct_1 and distinct_2: different n-grams over all n-grams of all texts (Li et al. 2016, arXiv:1510.03055);
        self_bleu: the mean BLEU of a text against the others (Zhu et al. 2018, arXiv:1802.01886), high where they are
        alike; repetition: the share of a text's bigrams that it had before (Welleck et al. 2019, arXiv:1908.04319, who
        take longer runs of longer texts), mean over texts.

    Example:
        >>> free_metrics(["春风", "春雨"])["distinct_1"]
        0.75
    """
    return {
        "distinct_1": distinct(texts, 1),
        "distinct_2": distinct(texts, 2),
        "self_bleu": self_bleu(texts),
        "repetition": _mean(1 - distinct([text], 2) if len(text) > 1 else 0.0 for text in texts),
    }


def distinct(texts: Iterable[str], n: int) -> float:
    """Different n-grams over all n-grams; 0 where there are none.

    Example:
        >>> distinct(["春风春雨"], 1)
        0.75
    """
    grams = list(itertools.chain.from_iterable(ngrams(text, n) for text in texts))
    return len(set(grams)) / len(grams) if grams else 0.0


def self_bleu(texts: Sequence[str]) -> float:
    """The mean BLEU of a text against the others (of at most `SELF_BLEU_TEXTS`, drawn); 0 for a single text.

    Example:
        >>> self_bleu(["春眠不觉晓"])
        0.0
    """
    from sacrebleu.metrics.bleu import BLEU

    if len(texts) < 2:
        return 0.0
    metric = BLEU(tokenize="char", effective_order=True)
    chosen: Sequence[int] = range(len(texts))
    if len(texts) > SELF_BLEU_TEXTS:
        chosen = sorted(random.Random(0).sample(chosen, SELF_BLEU_TEXTS))
    kept = [texts[number] for number in chosen]
    return _mean(
        metric.sentence_score(text, kept[:number] + kept[number + 1 :]).score / 100 for number, text in enumerate(kept)
    )


def copy_rate(texts: Iterable[str], training: Iterable[str]) -> float:
    """The share of the texts' runs of `COPIED` characters that stand in a training text; 0 where there are none.

    Example:
        >>> copy_rate(["白日依山尽黄河入海"], ["白日依山尽黄河入梦"])
        0.5
    """
    grams = collections.Counter(itertools.chain.from_iterable(ngrams(text, COPIED) for text in texts))
    known: set[str] = set()
    for text in training:
        known.update(gram for gram in ngrams(text, COPIED) if gram in grams)
    return sum(grams[gram] for gram in known) / grams.total() if grams else 0.0


def rouge_l(text: str, reference: str) -> float:
    """F1 of the longest common subsequence of characters.

    Example:
        >>> rouge_l("春江花月", "春水花月")
        0.75
    """
    row = [0] * (len(reference) + 1)
    for character in text:
        above = row
        row = [0]
        for place, other in enumerate(reference):
            row.append(above[place] + 1 if character == other else max(above[place + 1], row[place]))
    return _f1(row[-1], len(text), len(reference))[2]


def meteor(text: str, reference: str) -> float:
    """METEOR with exact matches only (Banerjee and Lavie 2005, section 2.2): stems and WordNet are not for Chinese.

    Characters are matched so that few runs are broken: each takes, of the same characters that are left in the
    reference, the one behind its neighbour's match, or else the first.

    Example:
        >>> meteor("春江花月夜", "秋水")
        0.0
    """
    places: dict[str, list[int]] = collections.defaultdict(list)
    for place, character in enumerate(reference):
        places[character].append(place)
    matched: list[int | None] = []
    last = -2
    for character in text:
        left = places[character]
        if left:
            last = last + 1 if last + 1 in left else left[0]
            left.remove(last)
            matched.append(last)
        else:
            matched.append(None)
            last = -2
    count = sum(place is not None for place in matched)
    if not count:
        return 0.0
    chunks = sum(
        place is not None and (before is None or place != before + 1)
        for before, place in itertools.pairwise([None, *matched])
    )
    precision, recall = count / len(text), count / len(reference)
    mean = 10 * precision * recall / (recall + 9 * precision)
    return mean * (1 - 0.5 * (chunks / count) ** 3)


def overlap(text: str, reference: str) -> tuple[float, float, float]:
    """Precision, recall and F1 of the characters, each counted as often as it stands in both.

    Example:
        >>> overlap("春风春雨", "春雨秋霜")
        (0.5, 0.5, 0.5)
    """
    common = collections.Counter(text) & collections.Counter(reference)
    return _f1(common.total(), len(text), len(reference))


def ngrams(text: str, n: int) -> Iterator[str]:
    """Every run of n characters.

    Example:
        >>> list(ngrams("春夏秋冬", 2))
        ['春夏', '夏秋', '秋冬']
    """
    return (text[start : start + n] for start in range(len(text) - n + 1))


def _f1(common: int, text: int, reference: int) -> tuple[float, float, float]:
    if not common:
        return 0.0, 0.0, 0.0
    precision, recall = common / text, common / reference
    return precision, recall, 2 * precision * recall / (precision + recall)


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values) if values else 0.0
