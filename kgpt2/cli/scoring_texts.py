"""What `kgpt2 evaluate` does between its options and its report."""

from collections.abc import Sequence
from typing import Any

from kgpt2.cli.options import say_counts
from kgpt2.config.settings import Settings
from kgpt2.data.example import Report, Source
from kgpt2.evaluation.evaluate import examples, likelihood
from kgpt2.evaluation.generated import evaluate_generated
from kgpt2.generation.language_model import LanguageModel
from kgpt2.generation.rows import Generation
from kgpt2.progress import scoring


def score(lm: LanguageModel, source: Source, stride: int | None, as_typed: bool) -> dict[str, Any]:
    """How probable the texts of a source are, as `--json` has it; arguments and errors as those of `scoring.score`."""
    read = Report()
    with scoring() as update:
        total = likelihood(
            lm, source, read, stride, as_typed, lambda so_far: update(read.done, so_far.report()["perplexity"])
        )
    say_counts(read)
    return total.report()


def write(
    lm: LanguageModel,
    source: Source,
    learned: Source | None,
    prompt_characters: int | None,
    settings: Settings,
    bert: str | None,
) -> tuple[dict[str, Any], Sequence[Generation]]:
    """What the model writes after the texts' beginnings, measured, and the texts; see `evaluate_generated`."""
    as_typed = settings.as_typed
    known = (one.prompt + one.text for one in (examples(lm, learned, Report(), as_typed) if learned else ()))
    given = examples(lm, source, Report(), as_typed)
    return evaluate_generated(lm, given, prompt_characters, settings, known, bert)
