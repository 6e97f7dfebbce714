"""Many tokens looked for in a text at once."""

import re
from collections.abc import Iterable, Iterator

MAX_CHARACTERS = 128


class LongestMatch:
    """Finds tokens in texts, the longest that begins at a place, in time that does not grow with their number.

    Args:
        tokens: any number of them.

    Raises:
        ValueError: a token is empty or longer than `MAX_CHARACTERS`.

    Example:
        >>> list(LongestMatch(["[CLS]", "[CL"]).spans("a[CLS]b[CL"))
        [(1, 6), (7, 10)]
    """

    def __init__(self, tokens: Iterable[str]):
        self._tokens = frozenset(tokens)
        lengths: dict[str, set[int]] = {}
        for token in self._tokens:
            if not 0 < len(token) <= MAX_CHARACTERS:
                raise ValueError(f"a token that is taken whole has from 1 to {MAX_CHARACTERS} characters")
            lengths.setdefault(token[0], set()).add(len(token))
        self._lengths = {first: sorted(found, reverse=True) for first, found in lengths.items()}
        self._first = re.compile(f"[{re.escape(''.join(lengths))}]" if lengths else r"(?!)")

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where the tokens of a text begin and end, from left to right."""
        place = 0
        while found := self._first.search(text, place):
            start = found.start()
            ends = (start + length for length in self._lengths[text[start]] if start + length <= len(text))
            end = next((end for end in ends if text[start:end] in self._tokens), None)
            if end is not None:
                yield start, end
            place = end or start + 1

    def split(self, text: str) -> list[str]:
        """A text cut at its tokens: other text and tokens in turn, beginning and ending with other text."""
        pieces, place = [], 0
        for start, end in self.spans(text):
            pieces += [text[place:start], text[start:end]]
            place = end
        return [*pieces, text[place:]]
