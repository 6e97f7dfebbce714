"""What is said of a text of verse: its lines, its rhyme, its faults."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Fault:
    """Something that a rule does not allow.

    Attributes:
        kind: 出律 (a wrong tone), 孤平, 三平尾, 大拗不救, 失对, 失粘, 出韵, 重韵, 同位重字, 合掌 (parallel lines
            that say the same), 叠句 (a tune repeats another character here), or 形式 (another form than was asked
            for: `line` is the first that differs, 0 where only the number of lines does).
        line: which line, from 1.
        place: which character of it, from 1; 0: the line as a whole.
        character: the character there.
    """

    kind: str
    line: int
    place: int = 0
    character: str = ""


@dataclasses.dataclass(frozen=True)
class Line:
    """A line and what is said of it.

    Attributes:
        text: its characters.
        tones: of each, 平, 仄, 通 (either) or ？ (not known).
        type: 甲, 乙, 丙 or 丁; "" where the form has no types.
        faults, licences: their names.
    """

    text: str
    tones: str
    type: str = ""
    faults: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Rhyme:
    """What the lines rhyme on: its name ("": they share none), and what does not."""

    name: str = ""
    faults: tuple[Fault, ...] = ()


@dataclasses.dataclass(frozen=True)
class Checked:
    """A text and all that is said of it; a notebook shows it with its tones coloured.

    Attributes:
        text: as it was given.
        form: its name, or its shape.
        regulated: it is a 绝句, 律诗, 排律 or couplet that keeps its tones and its rhyme.
        lines: its lines.
        rhyme: what they rhyme on.
        faults: all of them, in the order of the rules.
    """

    text: str
    form: str
    regulated: bool
    lines: tuple[Line, ...]
    rhyme: Rhyme
    faults: tuple[Fault, ...]

    @property
    def is_ruled(self) -> bool:
        """Whether there were rules to hold the text to: those of a form that its lines have, or that was asked for."""
        return self.regulated or bool(self.faults) or any(line.type for line in self.lines)

    def _repr_html_(self) -> str:
        from kgpt2.verse.coloured import as_html

        return as_html(self)
