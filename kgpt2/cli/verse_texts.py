"""The texts that `kgpt2 verse check` looks at: one as it is typed, or those of a file, written as people keep poems."""

import dataclasses
import itertools
import os
import re
from collections.abc import Iterator, Sequence

from kgpt2.errors import RequestError, quoted

# A name of a file, and not a line of verse: it ends as names of files do.
_FILE_NAME = re.compile(r".*\.[A-Za-z0-9]{1,5}", re.S)
_BOOK_TITLE = re.compile(r"《[^》]*》\s*")
_GOES_ON = tuple("，,、；;：:")
_UNMARKED = re.compile(r"[\w\s·•（）()—]+")
# What stands above verse and is none: 《题》, 【题】 作者, [宋] 王安石, 一、题, 作者：某.
_HEADING = re.compile(
    r"[《【〔\[〈][^》】〕\]〉]*[》】〕\]〉](\s*[\w·（）()\[\]\s]{0,12})"
    r"|[一二三四五六七八九十百\d]{1,4}[、.．]\s*[\w\s·（）()\[\]《》]{1,30}"
    r"|(题目|標題|标题|诗题|詩題|作者|朝代|横批|橫批)[：:].*|正文[：:]"
    r"|[\w·\s]{1,20}[\[〔【][^\]〕】]*[\]〕】][\w·\s]{0,12}"
)
_SIDES = re.compile(r"上[联聯][：:]\s*(.+?)[\s，。；,;]*下[联聯][：:]\s*(.+?)[。；;\s]*")
_SIDE = re.compile(r"(上[联聯]|下[联聯]|正文)[：:]\s*")
_ABOVE, _LONGEST_HEADING, _LONGEST = 4, 20, 2000  # lines above a text; characters of a line there, and of a text


@dataclasses.dataclass(frozen=True)
class Text:
    """A text of verse and where it stands.

    Attributes:
        verse: its lines and marks.
        heading: its title and poet as the file has them; "": none.
        line: the number of its line, from 1.
    """

    verse: str
    heading: str = ""
    line: int = 1


def texts_of(given: str, form: str = "") -> Iterator[Text]:
    """The text, or those of a file.

    A line of a file is a text. A paragraph, or two, is one text where the whole has a form and no line has one, and
    where its first line ends within a sentence, such as in a comma. What stands above a text, its title and its poet,
    is its heading. Lines that begin with `#` are left out.

    Args:
        given: a text, or the name of a file.
        form: that each text should have; "": any.

    Raises:
        RequestError: the file is not there or cannot be read, or one of them holds no Chinese character.

    Example:
        >>> next(texts_of("《登鹳雀楼》白日依山尽，黄河入海流。欲穷千里目，更上一层楼。")).verse
        '白日依山尽，黄河入海流。欲穷千里目，更上一层楼。'
        >>> next(texts_of("登鹳雀楼 白日依山尽 黄河入海流 欲穷千里目 更上一层楼")).heading
        '登鹳雀楼'
    """
    from pathlib import Path

    from kgpt2.files import read_text
    from kgpt2.verse.han import is_han

    named = os.path.isfile(given) or _FILE_NAME.fullmatch(given) is not None
    lines = read_text(Path(given), "file of verse").splitlines() if named else given.splitlines() or [given]
    found = _of_file(lines, form) if named else iter(_typed(lines, form))
    for text in found:
        verse = _without_title(text.verse)
        if not any(map(is_han, verse)):
            place = f"{given}, line {text.line}: " if named else ""
            raise RequestError(
                f"{place}{quoted(text.verse, 30)} holds no Chinese character; give a text, or a file of texts"
            )
        yield dataclasses.replace(text, verse=verse)


def _typed(lines: Sequence[str], form: str) -> list[Text]:
    whole = _whole([one for one in _sides(lines) if one.verse], form)
    return [whole or Text(" ".join(" ".join(lines).split()))]


def _of_file(lines: Sequence[str], form: str) -> Iterator[Text]:
    """The texts of a file."""
    from kgpt2.verse.notation import name_of

    kept = [one for one in _sides(lines) if not one.verse.startswith("#")]
    blocks = [[*group] for blank, group in itertools.groupby(kept, key=lambda one: not one.verse) if not blank]
    place, above = 0, list[Text]()
    while place < len(blocks):
        block, after = above + blocks[place], blocks[place + 1 : place + 2]
        place += 1
        above = []
        if name_of(form) == "对联":
            block = _paired(block)
        if any(_fits(one.verse, form) or _whole([one], form) for one in block):
            yield from _by_line(block, form)
        elif whole := _whole(block, form):
            yield whole
        elif after and all(map(_may_head, block)) and len(block) <= _ABOVE:
            above = block  # a title, and its poem behind an empty line
        elif after and (whole := _whole(block + after[0], form)):
            place += 1
            yield whole
        elif block[0].verse.endswith(_GOES_ON):
            yield dataclasses.replace(block[0], verse="".join(one.verse for one in block))
        else:
            yield from (one for one in block if not _heads(one))


def _by_line(block: Sequence[Text], form: str) -> Iterator[Text]:
    """The texts of a block of which lines are texts; what may head one does where it stands right above it."""
    above: list[Text] = []
    for one in block:
        text = one if _fits(one.verse, form) else _whole([one], form)
        if text is not None:
            yield from above[:-_ABOVE]
            heading = [*(head.verse for head in above[-_ABOVE:]), text.heading]
            yield dataclasses.replace(text, heading=" ".join(filter(None, heading)))
            above = []
        elif _may_head(one):
            above.append(one)
        else:
            yield from [*above, one]
            above = []
    yield from above


def _whole(block: Sequence[Text], form: str) -> Text | None:
    """Lines as one text, under what stands above it; None where that has no form."""
    unmarked = [one for one in block if _UNMARKED.fullmatch(one.verse)]
    parts = list(block)
    if len(unmarked) == len(block) - sum(map(_heads, block)):
        parts = [part for one in block for part in ([one] if _heads(one) else _cut(one))]
    if sum(len(one.verse) for one in parts) > _LONGEST:
        return None
    tune = _tune_named(parts[0].verse)
    for above in range(min(_ABOVE, len(parts) - 1) + 1):
        if not all(map(_may_head, parts[: 1 if tune else above])):
            break  # only a tune may have a preface of sentences
        verse = _joined([one.verse for one in parts[above:]])
        if verse and _fits(verse, form or tune):
            return Text(verse, " ".join(one.verse for one in parts[:above]), parts[above].line)
    return None


def _tune_named(heading: str) -> str:
    """The tune whose name a heading begins with; "": none."""
    from kgpt2.verse.tunes import tune_pattern

    (name,) = re.findall(r"^\W*(\w*)", heading)
    return name if tune_pattern(name) else ""


def _joined(parts: Sequence[str]) -> str:
    """Parts of a text one after the other, with marks where none has any; "" where a single one has none."""
    if not all(map(_UNMARKED.fullmatch, parts)):
        return "".join(parts)
    return "".join(part + "，。"[place % 2] for place, part in enumerate(parts)) if len(parts) > 1 else ""


def _cut(one: Text) -> list[Text]:
    """A line without marks at its spaces; else verse of 7 or 5 characters a line, four or more, into its lines."""
    line, parts = one.verse, one.verse.split()
    for width in (7, 5):
        if len(parts) == 1 and len(line) % (2 * width) == 0 and len(line) >= 4 * width:
            parts = [line[place : place + width] for place in range(0, len(line), width)]
    return [dataclasses.replace(one, verse=part) for part in parts]


def _heads(one: Text) -> bool:
    """Whether a line can be nothing but a heading."""
    return _HEADING.fullmatch(one.verse) is not None


def _may_head(one: Text) -> bool:
    short = len(one.verse) <= _LONGEST_HEADING and _UNMARKED.fullmatch(one.verse) is not None
    return short or _heads(one)


def _sides(lines: Sequence[str]) -> Iterator[Text]:
    """Lines without 上联：, 下联： and 正文：, and both sides of a couplet as one text."""
    upper: Text | None = None
    for number, line in enumerate(map(str.strip, lines), 1):
        label = _SIDE.match(line)
        rest = line[label.end() :] if label else line
        if sides := _SIDES.fullmatch(line):
            yield Text(f"{sides[1]}-{sides[2]}", line=number)
        elif label and label[1].startswith("上"):
            upper = Text(rest.rstrip("，。；,;"), line=number)
        elif label and label[1].startswith("下") and upper:
            yield dataclasses.replace(upper, verse=f"{upper.verse}-{rest}")
            upper = None
        elif rest or not label:
            yield Text(rest, line=number)
    if upper:
        yield upper


def _paired(block: Sequence[Text]) -> list[Text]:
    """Lines of a block, two of one length that follow each other as the sides of a couplet."""
    found: list[Text] = []
    for one in block:
        last = found[-1] if found else None
        if last and len(last.verse) == len(one.verse) and all(map(_UNMARKED.fullmatch, (last.verse, one.verse))):
            found[-1] = dataclasses.replace(last, verse=f"{last.verse}-{one.verse}")
        else:
            found.append(one)
    return found


def _fits(text: str, form: str) -> bool:
    """Whether a text has a form with rules, or this one."""
    from kgpt2.verse.check import check

    found = check(_without_title(text), form)
    return found.is_ruled and not any(fault.kind == "形式" for fault in found.faults)


def _without_title(text: str) -> str:
    """A text without a title in 《》, or one before a colon where what follows has a form that the whole has not."""
    from kgpt2.verse.form import form_of
    from kgpt2.verse.tunes import tune_pattern

    text = _BOOK_TITLE.sub("", text, count=1) if _BOOK_TITLE.match(text) else text
    title, colon, rest = text.replace(":", "：").partition("：")
    return rest.strip() if (colon and tune_pattern(title)) or (form_of(rest) and not form_of(text)) else text
