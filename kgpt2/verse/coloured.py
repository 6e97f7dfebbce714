"""A text that was checked as HTML: each character in the colour of its tone, and what is broken underlined."""

import html
from collections.abc import Iterable

from kgpt2.verse.checked import Checked, Fault, Line

# Colours that stand out from a white and from a black page alike: 平, 仄, 通 (either); the rest as the page has it.
COLOURS = {"平": "#2f7fd1", "仄": "#c2701c", "通": "#8a6fc9"}
_BROKEN = "text-decoration: underline wavy #d1242f"


def as_html(checked: Checked) -> str:
    """A text with its tones above its characters, as a notebook shows it.

    Args:
        checked: what `check` says of the text.

    Returns:
        HTML without a script or a stylesheet; everything of the text is escaped.

    Example:
        >>> from kgpt2.verse.check import check
        >>> page = as_html(check("白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"))
        >>> page.count("<ruby"), "五绝" in page
        (20, True)
    """
    held = "not regulated" if checked.is_ruled else "no rules checked"
    verdict = "regulated" if checked.regulated else held
    rhyme = f", {checked.rhyme.name}" if checked.rhyme.name else ""
    head = f"<div><strong>{html.escape(checked.form)}</strong> {verdict}{html.escape(rhyme)}</div>"
    lines = (_line(number, line, checked.faults) for number, line in enumerate(checked.lines, 1))
    return f'<div lang="zh" style="line-height: 2.2">{head}{"".join(lines)}</div>'


def _line(number: int, line: Line, faults: Iterable[Fault]) -> str:
    broken: dict[int, list[str]] = {}
    for fault in faults:
        if fault.line == number:
            broken.setdefault(fault.place, []).append(fault.kind)
    signs = (
        _sign(sign, tone, broken.get(place, ()))
        for place, (sign, tone) in enumerate(zip(line.text, line.tones, strict=True), 1)
    )
    said = " ".join(filter(None, (line.type, *line.faults, *line.licences)))
    return f"<div>{''.join(signs)} <small>{html.escape(said)}</small></div>"


def _sign(sign: str, tone: str, broken: Iterable[str]) -> str:
    colour = f"color: {COLOURS[tone]}" if tone in COLOURS else ""
    kinds = html.escape("、".join(broken))
    style = "; ".join(filter(None, ("font-size: 1.4em", colour, _BROKEN if kinds else "")))
    return f'<ruby style="{style}" title="{kinds or tone}">{html.escape(sign)}<rt>{tone}</rt></ruby>'
