"""Templates: which columns of a row make a text, such as `title` or "{title}: {documents}"."""

import dataclasses
import functools
import re
from collections.abc import Container, Iterable, Mapping, Sequence

from kgpt2.errors import RequestError, quoted

# Columns taken when the configuration names none, in this order: ours, that of couplet files, that of reddit_tifu.
DEFAULT_COLUMNS = ("text", "text1", "documents")
_FIELD = re.compile(r"\{(\w+)\}")


@dataclasses.dataclass(frozen=True)
class Columns:
    """Which part of a row is what, each a column or a template such as "{title}: {text}".

    Attributes:
        text: what is learned; None: the first of the choices, or the only column.
        prompt: what is read before and not learned; None: nothing.
        choices: templates for the text where it is None; the first one whose columns are there.

    Example:
        >>> Columns(text="{title}: {text}").fields
        ('title', 'text')
    """

    text: str | None = None
    prompt: str | None = None
    choices: tuple[str, ...] = DEFAULT_COLUMNS

    @functools.cached_property
    def fields(self) -> tuple[str, ...]:
        """The columns that are named, those of the text first."""
        return tuple(name for template in (self.text, self.prompt) if template for name in _fields(template))

    def found_in(self, names: Container[str]) -> bool:
        """Whether what is asked for is there: the columns that are named, and one of the choices where none is."""
        texts = [self.text] if self.text else self.choices
        return any(has(names, text) for text in texts) and (not self.prompt or has(names, self.prompt))


# What is taken where nothing is asked for.
ANY_TEXT = Columns()


def has(names: Container[str], template: str) -> bool:
    """Whether the columns of a template are there.

    Example:
        >>> has(["title", "text"], "{title}: {text}")
        True
    """
    return all(name in names for name in _fields(template))


def settle(columns: Columns, names: Sequence[str], where: str) -> Columns:
    """Columns that say which holds the text, checked against those that there are.

    Raises:
        RequestError: it is not clear which column holds the text, or one that is named is not there once.

    Example:
        >>> settle(Columns(), ["title", "text"], "poems.csv").text
        'text'
    """
    text = columns.text or default_template(names, where, columns.choices)
    for key, template in (("data.text", text), ("data.prompt", columns.prompt)):
        if template:
            fields(template, names, where, key)
    settled = dataclasses.replace(columns, text=text)
    for name in settled.fields:
        if names.count(name) > 1:
            raise RequestError(f"{where}: {names.count(name)} columns are called {quoted(name)}; rename all but one")
    return settled


def fields(template: str, columns: Iterable[str], where: str, key: str = "data.text") -> list[str]:
    """The columns that a template takes, in its order.

    Args:
        template: a column's name, or text with {columns} in it.
        columns: the columns there are.
        where: what the error begins with: "FILE" or "FILE, line N".
        key: the option that holds the template.

    Raises:
        RequestError: it takes a column that is not there; the message lists those that are.

    Example:
        >>> fields("{title}: {text}", ["text", "title"], "poems.csv")
        ['title', 'text']
    """
    names = list(_fields(template))
    columns = list(columns)
    for name in names:
        if name not in columns:
            raise RequestError(f"{where}: there is no column {quoted(name)}; there is {listed(columns)} ({key})")
    return names


def default_template(columns: Iterable[str], where: str, choices: Sequence[str] = DEFAULT_COLUMNS) -> str:
    """The template to take when none is named: the first choice whose columns are there, or the only column.

    Raises:
        RequestError: it is not clear which column holds the text.

    Example:
        >>> default_template(["title", "text"], "poems.csv")
        'text'
    """
    columns = list(columns)
    for choice in choices:
        if has(columns, choice):
            return choice
    if len(columns) == 1:
        return columns[0]
    raise RequestError(
        f"{where}: no column called {' or '.join(choices)}; there is {listed(columns)}\n"
        "say which one holds the text: --text COLUMN (of kgpt2 fit: -o data.text=COLUMN)"
    )


def fill(template: str, row: Mapping[str, object], where: str) -> str:
    """The text that a template makes of a row; a null is "", and so is a column that the row lacks.

    Raises:
        RequestError: a column holds neither text nor a number.

    Example:
        >>> fill("{title}: {text}", {"title": "春晓", "text": None}, "poems.csv")
        '春晓: '
    """
    if _fields(template) == (template,):
        return _value(row, template, where)
    return _FIELD.sub(lambda match: _value(row, match[1], where), template)


def listed(columns: Iterable[str]) -> str:
    """Names of columns for an error: the first eight, and how many more there are.

    Example:
        >>> listed(["title", "text"])
        "'title', 'text'"
    """
    columns = list(columns)
    shown = ", ".join(repr(name) for name in columns[:8])
    return (shown or "none") + (f" and {len(columns) - 8} more" if len(columns) > 8 else "")


@functools.cache
def _fields(template: str) -> tuple[str, ...]:
    return tuple(_FIELD.findall(template)) or (template,)


def _value(row: Mapping[str, object], column: str, where: str) -> str:
    value = row.get(column)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RequestError(f"{where}: column {quoted(column)} holds no text but a {type(value).__name__}")
    return str(value)
