"""What every data source gives: examples one after the other, and an account of what became of its rows."""

import collections
import dataclasses
from collections.abc import Callable, Iterator
from typing import NoReturn

from kgpt2.errors import RequestError

# Bad rows that are told one by one, and rows left out for one reason; the others are counted.
TOLD = 20
TOLD_ALIKE = 3
# Rows without a text, one after the other from the first on, after which nobody hopes for one.
FUTILE = 300_000


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
    """A text to learn from.

    Attributes:
        text: what the model learns to write.
        prompt: what it reads before, without learning to write it.
        group: examples with the same group never lie on both sides of a split; "": the text is its own.
    """

    text: str
    prompt: str = ""
    group: str = ""


def refuse(where: str) -> NoReturn:
    """Stops at a bad row, and says how to go on."""
    raise RequestError(f"{where}\nmend it, or leave such rows out and have them counted: data.on_error=skip")


@dataclasses.dataclass
class Report:
    """What became of a source's rows; filled while they are read.

    Attributes:
        dropped: rows left out, by reason.
        cleaned: rows changed, by rule.
        problems: the first rows that are bad or left out, each with file and line.
        fatal: the first bad row, at which a strict reader stops; "": there is none.
        place: where the row stands that is read now, as far as that is known.
        done: how much of the source has been read, from 0 to 1, as far as it knows.
        found: whether a text has come.
        strict: the first bad row stops everything.

    Example:
        >>> report = Report()
        >>> report.bad("not UTF-8", "poems.txt, line 3: not UTF-8")
        >>> report.dropped, report.problems
        (Counter({'not UTF-8': 1}), ['poems.txt, line 3: not UTF-8'])
    """

    dropped: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    cleaned: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    problems: list[str] = dataclasses.field(default_factory=list)
    fatal: str = ""
    place: str = ""
    done: float = 0.0
    found: bool = False
    strict: bool = False

    def bad(self, reason: str, where: str) -> None:
        """Counts a bad row, and tells where it stands.

        Raises:
            RequestError: `strict` is set.
        """
        if self.strict:
            refuse(where)
        if len(self.problems) < TOLD:
            self.problems.append(where)
        self.fatal = self.fatal or where
        self.drop(reason, where)

    def leave_out(self, reason: str, told: str = "") -> None:
        """Counts the row that is read now, and tells where the first ones stand; nothing stops.

        Args:
            reason: what it is counted under.
            told: what its user is told; "": the reason.
        """
        self.dropped[reason] += 1
        if self.place and self.dropped[reason] <= TOLD_ALIKE and len(self.problems) < TOLD:
            self.problems.append(f"{self.place}: {told or reason}")

    def drop(self, reason: str, where: str) -> None:
        """Counts a row that is left out.

        Raises:
            RequestError: so many have been, and none was good.
        """
        self.dropped[reason] += 1
        if not self.found and self.dropped[reason] > FUTILE:
            raise RequestError(f"{where.splitlines()[0]}\nnone of the {FUTILE:,} rows before holds a text either")


@dataclasses.dataclass(frozen=True)
class Source:
    """Examples in a fixed order, read anew at each call.

    Attributes:
        spec: what the user asked for.
        identity: a digest of all that `read` depends on, the files' content included; it may take a while.
        read: the examples, one at a time; the report is filled as they come. Raises RequestError.
        marks: tokens of their own in the prompts (a vocabulary that is counted takes them whole).
    """

    spec: str
    identity: Callable[[], str]
    read: Callable[[Report], Iterator[Example]]
    marks: tuple[str, ...] = ()
