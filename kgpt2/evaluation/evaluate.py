"""How probable the texts of a source are to a model: what `kgpt2 evaluate` measures."""

from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from typing import Any

from kgpt2.data.example import Example, Report, Source
from kgpt2.data.reading import read_examples
from kgpt2.data.sources import Options, open_source
from kgpt2.evaluation.scoring import Likelihood, score
from kgpt2.generation.language_model import LanguageModel, load


def evaluate(
    model: LanguageModel | str | PathLike[str],
    data: str | Sequence[str],
    *,
    stride: int | None = None,
    as_typed: bool = False,
    **options: Any,
) -> dict[str, float]:
    """Loss, perplexity, bits per character and accuracy, as `kgpt2 evaluate --json` has them.

    Every token of a text and its end token count; the start token, prompts and padding do not.

    Args:
        model: a loaded one, or any MODEL.
        data: a data SPEC, or a list of files.
        stride: tokens that the window moves over texts longer than the context; None: half the context.
        as_typed: read marks and characters as they stand, not in the form that the model knows.
        **options: how to read the data; see `data.sources.Options`.

    Raises:
        RequestError: the model or the data will not do.
        WorkError: something has to be downloaded and cannot be.

    Example:
        >>> round(kgpt2.evaluate("mini_zh", "samples/couplets", limit=20)["loss"], 1)
        3.0
    """
    lm = model if isinstance(model, LanguageModel) else load(model)
    return likelihood(lm, open_source(data, Options(**options)), Report(), stride, as_typed).report()


def likelihood(
    lm: LanguageModel,
    source: Source,
    read: Report,
    stride: int | None = None,
    as_typed: bool = False,
    progress: Callable[[Likelihood], None] = lambda so_far: None,
) -> Likelihood:
    """The sums over all texts of a source.

    Args:
        lm: the model.
        source: the texts.
        read: is told what became of the source's rows.
        stride, as_typed: as those of `evaluate`.
        progress: is told the sums so far.
    """
    so_far = Likelihood()
    unknown_id = getattr(lm.tokenizer, "unknown_id", None)
    for so_far in score(lm.runtime, lm.tokenizer, examples(lm, source, read, as_typed), stride, unknown_id):
        progress(so_far)
    return so_far


def examples(lm: LanguageModel, source: Source, read: Report, as_typed: bool) -> Iterator[Example]:
    """The examples of a source as the model reads them."""
    return read_examples(source.read(read), lm.tokenizer, read, as_typed)
