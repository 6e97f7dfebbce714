"""A run's lines for people."""

from collections.abc import Callable

from rich.console import Console

from kgpt2.errors import printable
from kgpt2.language import told


def teller(console: Console) -> Callable[[str], None]:
    """What prints a line on a console: as it is, in the language of the locale, nothing that a terminal obeys.

    Example:
        >>> import sys
        >>> teller(Console(file=sys.stdout))("going on from step 17")
        going on from step 17
    """

    def tell(message: str) -> None:
        console.print(printable(told(message)), markup=False, highlight=False, soft_wrap=True)

    return tell
