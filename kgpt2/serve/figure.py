"""The lens as a still picture: HTML for a notebook, without a widget or a script."""

import html
from collections.abc import Sequence

from kgpt2.serve.lens import Candidate, Place

_FRAME = "display:flex;gap:14px;overflow-x:auto;padding:6px 2px;font:12px/1.5 sans-serif"
_TRACK = "display:inline-block;width:64px;vertical-align:middle;line-height:0"


def lens_html(places: Sequence[Place]) -> str:
    """A column for each place: the token that came, the entropy before it in bits, and the likeliest candidates.

    A grey bar is a candidate's probability under the model, a red one that of being drawn; the token that came is bold,
    one that the cuts leave out is pale and says which cut.

    Example:
        >>> lens_html([])
        '<div style="display:flex;gap:14px;overflow-x:auto;padding:6px 2px;font:12px/1.5 sans-serif"></div>'
    """
    return f'<div style="{_FRAME}">{"".join(map(_column, places))}</div>'


def _column(place: Place) -> str:
    head = f'<div style="font-size:20px">{_shown(place["text"])}</div>'
    head += f"<div>{place['entropy']:.1f} bits, {place['kept']} kept</div>"
    rows = "".join(_row(one, one["id"] == place["id"]) for one in place["candidates"])
    return f'<div style="white-space:nowrap">{head}{rows}</div>'


def _row(one: Candidate, came: bool) -> str:
    style = "font-weight:bold" if came else "opacity:.5" if one["out"] else ""
    bars = _bar(one["p"], "#999") + _bar(one["q"], "#c0392b")
    note = html.escape(one["out"]) if one["out"] else f"{one['q']:.0%}"
    return f'<div style="{style}">{_shown(one["text"])} <span style="{_TRACK}">{bars}</span> {note}</div>'


def _bar(share: float, colour: str) -> str:
    return f'<span style="display:block;height:4px;margin:1px 0;width:{share:.0%};background:{colour}"></span>'


def _shown(text: str) -> str:
    """A token as it can be seen; the end of a text has none."""
    return html.escape(text).replace(" ", "␣").replace("\n", "⏎") or "∎"
