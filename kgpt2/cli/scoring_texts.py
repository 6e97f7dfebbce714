"""What `kgpt2 evaluate` does between its options and its report."""

from collections.abc import Iterator, Sequence
from typing import Any

from kgpt2.cli.options import say_counts
from kgpt2.cli.progress import scoring
from kgpt2.config.settings import Settings
from kgpt2.data.example import Example, Report, Source
from kgpt2.data.reading import read_examples
from kgpt2.evaluation.generated import evaluate_generated
from kgpt2.evaluation.scoring import score as score_examples
from kgpt2.generation.language_model import LanguageModel
from kgpt2.generation.rows import Generation


def score(lm: LanguageModel, source: Source, stride: int | None, as_typed: bool) -> dict[str, Any]:
    """How probable the texts of a source are, as `--json` has it; arguments and errors as those of `scoring.score`."""
    read, report = Report(), {}
    unknown_id = getattr(lm.tokenizer, "unknown_id", None)
    with scoring() as update:
        examples = _examples(lm, source, read, as_typed)
        for likelihood in score_examples(lm.runtime, lm.tokenizer, examples, stride, unknown_id):
            report = likelihood.report()
            update(read.done, report["perplexity"])
    say_counts(read)
    return report


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
    known = (one.prompt + one.text for one in (_examples(lm, learned, Report(), as_typed) if learned else ()))
    given = _examples(lm, source, Report(), as_typed)
    return evaluate_generated(lm, given, prompt_characters, settings, known, bert)


def _examples(lm: LanguageModel, source: Source, report: Report, as_typed: bool) -> Iterator[Example]:
    return read_examples(source.read(report), lm.tokenizer, report, as_typed)
