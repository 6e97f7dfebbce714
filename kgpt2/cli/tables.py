"""Tables for people that break no row and no number: what does not fit is folded, cut, or left out and named."""

import dataclasses
from collections.abc import Collection, Iterable, Sequence

from kgpt2.cli.help import cells, wrapped

_GAP = "  "
# Cells that are left of a cell which may be cut.
_LEAST = 12


@dataclasses.dataclass
class Table:
    """Rows under names.

    Attributes:
        names: of the columns.
        right: those whose cells stand at the right, as figures do.
        cut: those of which a name, and a cell at the left, may lose its beginning, as paths may.
        same: those that become a line above, where there is no room and they say one thing in every row.
        spare: those that are left out where there still is none, the first one first.
        rows: of texts, one a column.
    """

    names: Sequence[str]
    right: Collection[str] = ()
    cut: Collection[str] = ()
    same: Collection[str] = ()
    spare: Sequence[str] = ()
    rows: list[Sequence[str]] = dataclasses.field(default_factory=list)

    def lines(self, width: int | None) -> list[str]:
        """The table as lines of at most so many cells; None: of any length.

        A line below names the columns that are left out.

        Example:
            >>> table = Table(["sampler", "tokens a second"], right=["tokens a second"], rows=[["greedy", "12.5"]])
            >>> table.lines(17)
            ['         tokens a', 'sampler    second', 'greedy       12.5']
        """
        places = list(range(len(self.names)))
        above: list[str] = []
        if width is not None and self._least(places) > width and len(self.rows) > 1:
            same = [one for one in places if self._is_same(one)]
            said = [f"{self.names[one]} {self.rows[0][one]}" for one in same if self.rows[0][one]]
            above = wrapped(", ".join(said), width) if said else []
            places = [one for one in places if one not in same]
        left_out: list[str] = []
        for place in (list(self.names).index(name) for name in self.spare):
            if width is not None and self._least(places) > width and place in places:
                places.remove(place)
                left_out.append(self.names[place])
        below = [f"(no room for {', '.join(left_out)}; --json has all)"] if left_out else []
        return [*above, *self._drawn(places, width), *below]

    def _is_same(self, place: int) -> bool:
        """Whether a column may stand above."""
        return self.names[place] in self.same and len({row[place] for row in self.rows}) == 1

    def _least(self, places: Sequence[int]) -> int:
        """The cells that these columns need."""
        return sum(map(self._narrowest, places)) + len(_GAP) * (len(places) - 1)

    def _narrowest(self, place: int) -> int:
        name = self.names[place]
        figures = [] if name in self.cut and name not in self.right else [row[place] for row in self.rows]
        words = [min(cells(name), _LEAST)] if name in self.cut else [*map(cells, name.split())]
        return max([*words, *map(cells, figures)], default=0)

    def _widest(self, place: int) -> int:
        return max(map(cells, (*(row[place] for row in self.rows), self.names[place])))

    def _drawn(self, places: Sequence[int], width: int | None) -> list[str]:
        widths = {place: self._widest(place) for place in places}
        excess = 0 if width is None else sum(widths.values()) + len(_GAP) * (len(places) - 1) - width
        for _ in range(excess):
            wide = [place for place in places if widths[place] > self._narrowest(place)]
            if wide:
                widths[max(wide, key=widths.__getitem__)] -= 1
        heads = [self._head(place, widths[place]) for place in places]
        tall = max(map(len, heads))
        rows = zip(*([*[""] * (tall - len(head)), *head] for head in heads), strict=True)
        cut = [[_cut(row[place], widths[place]) for place in places] for row in self.rows]
        return [self._row(widths, row) for row in (*rows, *cut)]

    def _head(self, place: int, width: int) -> list[str]:
        name = self.names[place]
        return wrapped(_cut(name, width) if name in self.cut else name, width)

    def _row(self, widths: dict[int, int], row: Iterable[str]) -> str:
        padded = []
        for (place, width), cell in zip(widths.items(), row, strict=True):
            room = " " * (width - cells(cell))
            padded.append(room + cell if self.names[place] in self.right else cell + room)
        return _GAP.join(padded).rstrip()


def _cut(text: str, width: int) -> str:
    """The end of a text, which tells paths apart."""
    while cells(text) > width:
        text = f"…{text[2:]}"
    return text
