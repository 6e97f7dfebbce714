"""The tokens that begin and end a text and break its lines: a model's own, or those that a user names."""

import dataclasses
import difflib
import itertools
import re
from collections.abc import Callable, Collection, Iterable, Mapping

from kgpt2.errors import RequestError, quoted

_LINE_END = re.compile("\r\n|\r|\n")


@dataclasses.dataclass(frozen=True)
class SpecialTokens:
    """Tokens by their text; None leaves the choice to somebody else.

    Attributes:
        start: begins every text.
        end: ends every text.
        newline: stands for the end of a line.

    Example:
        >>> SpecialTokens(end="[EOS]").over(SpecialTokens("[CLS]", "[SEP]")).named()
        {'start_token': '[CLS]', 'end_token': '[EOS]'}
    """

    start: str | None = None
    end: str | None = None
    newline: str | None = None

    def over(self, others: "SpecialTokens") -> "SpecialTokens":
        """These, and the others where these say nothing."""
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(others), strict=True)
        return SpecialTokens(*(other if own is None else own for own, other in pairs))

    def named(self) -> dict[str, str]:
        """The tokens that are named, by what options, presets and configurations call them."""
        return {f"{field}_token": token for field, token in dataclasses.asdict(self).items() if token is not None}

    def require_in(self, vocabulary: Collection[str]) -> None:
        """Sees to it that a vocabulary has the tokens, and that a line does not end as a text begins or ends.

        Raises:
            RequestError: naming the token and those that come near it.
        """
        for name, token in self.named().items():
            if not isinstance(token, str) or not token:
                raise RequestError(f"{name}: {quoted(token)} will not do, it must be a token of the model's vocabulary")
            if token not in vocabulary:
                marks = [known for known in vocabulary if known[:1] in ("[", "<")]
                close = difflib.get_close_matches(token, marks, n=3, cutoff=0.5)
                hint = f"\nit has {', '.join(close)}" if close else ""
                raise RequestError(f"{name}: the model's vocabulary has no token {quoted(token)}{hint}")
        if self.newline is not None and self.newline in (self.start, self.end):
            other = "begin" if self.newline == self.start else "end"
            raise RequestError(
                f"newline_token: {quoted(self.newline)} breaks lines, so texts cannot {other} with it too"
            )


def prompt_token(number: int) -> str:
    """The token that stands for a vector of a tuned prompt.

    Example:
        >>> prompt_token(0)
        '<|soft_prompt_0|>'
    """
    return f"<|soft_prompt_{number}|>"


def prompt_ids_in(token_to_id: Mapping[str, int]) -> tuple[int, ...]:
    """The ids of a tuned prompt, in its order; empty where a vocabulary has none.

    Example:
        >>> prompt_ids_in({"春": 0, prompt_token(0): 1, prompt_token(1): 2})
        (1, 2)
    """
    tokens = itertools.takewhile(token_to_id.__contains__, map(prompt_token, itertools.count()))
    return tuple(token_to_id[token] for token in tokens)


def encode_lines(text: str, newline_id: int | None, encode: Callable[[str], list[int]]) -> list[int]:
    r"""The ids of a text, its line ends written as a token where there is one for them.

    Example:
        >>> encode_lines("春\n风", 9, lambda line: [ord(sign) for sign in line])
        [26149, 9, 39118]
    """
    if newline_id is None:
        return encode(text)
    first, *others = _LINE_END.split(text)
    ids = encode(first)
    for line in others:
        ids += [newline_id, *encode(line)]
    return ids


def decode_lines(ids: Iterable[int], newline_id: int | None, decode: Callable[[list[int]], str]) -> str:
    r"""The text of ids, a line end where the token for it stands.

    Example:
        >>> decode_lines([26149, 9, 39118], 9, lambda ids: "".join(map(chr, ids)))
        '春\n风'
    """
    lines: list[list[int]] = [[]]
    for index in map(int, ids):
        if index == newline_id:
            lines.append([])
        else:
            lines[-1].append(index)
    return "\n".join(map(decode, lines))
