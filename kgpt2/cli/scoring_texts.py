"""What `kgpt2 evaluate` does between its options and its report."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from kgpt2.cli.options import say_counts
from kgpt2.config.settings import Settings
from kgpt2.data.example import Example, Report, Source
from kgpt2.data.reading import read_examples
from kgpt2.evaluation.evaluate import examples, likelihood
from kgpt2.evaluation.generated import evaluate_generated
from kgpt2.generation.language_model import LanguageModel
from kgpt2.generation.rows import Generation
from kgpt2.progress import scoring

# Texts of a model, each with what a person wrote in its place.
Written = list[tuple[Generation, str]]


@dataclasses.dataclass(frozen=True)
class Asked:
    """What is measured of each model.

    Attributes:
        source: the texts.
        stride: of the window over long ones; see `evaluate`.
        settings: how to choose tokens, and whether texts are read as they are typed.
        generating: the model also writes after the texts' beginnings.
        given: these, cut alike for all models; None: the model cuts what it reads.
        prompt_characters: how much of a text is its beginning; see `cut`.
        learned: what the model learned from; None: copies are not looked for.
        bert: the folder of a BERT; None: no BERTScore.
    """

    source: Source
    stride: int | None
    settings: Settings
    generating: bool
    given: Sequence[Example] | None
    prompt_characters: int | None
    learned: Source | None
    bert: str | None


def measure(lm: LanguageModel, asked: Asked) -> tuple[dict[str, Any], Written]:
    """How probable the texts are to a model and what its own are like, as `--json` has it; and its own."""
    as_typed = asked.settings.as_typed
    read = Report()
    with scoring() as update:
        total = likelihood(
            lm,
            asked.source,
            read,
            asked.stride,
            as_typed,
            lambda so_far: update(read.done, so_far.report()["perplexity"]),
        )
    say_counts(read)
    if not asked.generating:
        return total.report(), []
    if asked.given is None:
        given = examples(lm, asked.source, Report(), as_typed)
    else:
        given = read_examples(asked.given, lm.tokenizer, Report(), as_typed)
    known = (
        one.prompt + one.text for one in (examples(lm, asked.learned, Report(), as_typed) if asked.learned else ())
    )
    report, generations, references = evaluate_generated(
        lm, given, asked.prompt_characters, asked.settings, known, asked.bert
    )
    return {**total.report(), "generation": report}, list(zip(generations, references, strict=True))
