"""Texts that a model writes after the beginnings of a person's, and what the metrics say of them."""

import dataclasses
from collections.abc import Iterable, Sequence

from kgpt2.config.settings import Settings
from kgpt2.data.example import Example
from kgpt2.errors import RequestError
from kgpt2.evaluation.bert_score import bert_score
from kgpt2.evaluation.form_metrics import form_metrics
from kgpt2.evaluation.text_metrics import copy_rate, free_metrics, reference_metrics
from kgpt2.generation.generate import Clock, generate
from kgpt2.generation.language_model import LanguageModel
from kgpt2.generation.rows import Generation


def cut(example: Example, characters: int | None) -> tuple[str, str]:
    """A prompt and what a person wrote after it.

    The prompt is the source's own; where it has none, the first so many characters of the text, or its first half.

    Example:
        >>> cut(Example("春眠不觉晓"), 2)
        ('春眠', '不觉晓')
    """
    if example.prompt:
        return example.prompt, example.text
    place = len(example.text) // 2 if characters is None else characters
    return example.text[:place], example.text[place:]


def evaluate_generated(
    lm: LanguageModel,
    examples: Iterable[Example],
    characters: int | None,
    settings: Settings,
    training: Iterable[str],
    bert: str | None = None,
) -> tuple[dict[str, float | None], list[Generation], list[str]]:
    """Continues the beginnings of texts and scores the completions.

    Args:
        lm: the model.
        examples: the texts.
        characters: how much of a text is its prompt; see `cut`.
        settings: how to choose tokens; where no length is set, as many as the longest of the references has, and one.
        training: what the model learned from, to look for copies; empty: no copy rate.
        bert: the folder of a BERT for BERTScore; None: none.

    Returns:
        The metrics of `text_metrics`, for verse those of `form_metrics`, the share of unknown tokens; what was
        generated; and what people wrote in its place.

    Raises:
        RequestError: no text is long enough to be cut.
    """
    pairs = [pair for pair in (cut(example, characters) for example in examples) if pair[1]]
    if not pairs:
        raise RequestError("--generate: no text is long enough to be cut into a prompt and a reference")
    prompts, references = map(list, zip(*pairs, strict=True))
    if settings.max_new_tokens is None and settings.max_length is None:
        longest = max(len(lm.tokenizer.encode(reference)) for reference in references)
        settings = dataclasses.replace(settings, max_new_tokens=min(longest + 1, lm.runtime.context // 2))
    ready = lm.prepare(prompts, settings)
    generations = list(generate(lm.decoder(settings), ready, Clock()))
    texts = [generation.completion for generation in generations]
    report: dict[str, float | None] = {
        "texts": len(texts),
        **reference_metrics(texts, references),
        **free_metrics(texts),
    }
    report["unknown_fraction"] = _unknown(lm, generations)
    whole = [generation.text for generation in generations]
    report |= form_metrics(whole, [one.text + reference for one, reference in zip(ready, references, strict=True)])
    training = list(training)
    if training:
        report["copy_rate"] = copy_rate(whole, training)
    if bert:
        report |= bert_score(texts, references, bert)
    return report, generations, references


def _unknown(lm: LanguageModel, generations: Sequence[Generation]) -> float:
    unknown_id: int | None = getattr(lm.tokenizer, "unknown_id", None)
    new = [token for one in generations for token in one.token_ids[len(one.token_ids) - one.new_tokens :]]
    return new.count(unknown_id) / len(new) if new and unknown_id is not None else 0.0
