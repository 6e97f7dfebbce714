"""How well generated verse keeps its rules, summed over texts."""

from collections.abc import Callable, Iterable, Sequence

from kgpt2.verse.measures import (
    Count,
    characters_repeated,
    is_regulated,
    parallels_kept,
    rhymes_kept,
    same_shape,
    tones_kept,
)


def form_metrics(texts: Sequence[str], references: Sequence[str]) -> dict[str, float | None]:
    """Shares from 0 to 1 over the texts whose references are regulated verse or couplets; none of them: nothing.

    Args:
        texts: whole texts, prompts included.
        references: what a person wrote, in the same order.

    Returns:
        verses: how many such texts there are; form_validity: of texts with the reference's lines and marks;
        tone_agreement, rhyme, parallelism and repeated_characters: see `kgpt2.verse.measures`, None where no text has
        a place that could tell.

    Example:
        >>> form_metrics(["海内存知己-天涯若比邻"], ["青山横北郭-白水绕东城"])["form_validity"]
        1.0
        >>> form_metrics(["春"], ["春"])
        {}
    """
    verses = [(text, reference) for text, reference in zip(texts, references, strict=True) if is_regulated(reference)]
    if not verses:
        return {}
    written = [text for text, _ in verses]
    return {
        "verses": len(verses),
        "form_validity": sum(same_shape(*pair) for pair in verses) / len(verses),
        "tone_agreement": _share(tones_kept, written),
        "rhyme": _share(rhymes_kept, written),
        "parallelism": _share(parallels_kept, written),
        "repeated_characters": _share(characters_repeated, written),
    }


def _share(measure: Callable[[str], Count], texts: Iterable[str]) -> float | None:
    kept, there = (sum(counts) for counts in zip(*map(measure, texts), strict=True))
    return kept / there if there else None
