"""Values that a shell completes: models, samplers, forms, rhymes, recipes; imports wait until a shell asks."""

from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _completer(values: Callable[[], Iterable[str]], kind: str = "") -> Completer:
    """Completes values; `kind`, "file" or "dir": and what the shell finds of these."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        found = [CompletionItem(value) for value in values() if value.startswith(incomplete)]
        return found + ([CompletionItem(incomplete, type=kind)] if kind else [])

    return complete


def _models() -> list[str]:
    from kgpt2.assets import MODELS
    from kgpt2.checkpoints.hub import UER_MODELS
    from kgpt2.checkpoints.kaggle import KERASHUB_PRESETS

    runs = sorted(path.parent.as_posix() for path in Path("runs").glob("*/preset"))
    return [*MODELS, *runs, *KERASHUB_PRESETS, *UER_MODELS]


def _forms() -> list[str]:
    from kgpt2.verse.notation import NAMED

    return [*NAMED, "none"]


def _rhymes() -> list[str]:
    from kgpt2.config.settings import CHINESE
    from kgpt2.verse.sounds import LEVEL, OBLIQUE, SYSTEMS, rhymes

    short = [name.rpartition("声")[2] for name in (*rhymes(LEVEL), *rhymes(OBLIQUE))]  # 一东 of 上平声一东
    return ["off", *SYSTEMS, *CHINESE["rhyme"], *short]


def _recipes() -> list[str]:
    from kgpt2.config.shipped import recipe_names

    return recipe_names()


def one_of(values: Iterable[str]) -> Completer:
    """Completes the values of a list."""
    return _completer(lambda: values)


models, forms, rhymes, recipes = _completer(_models, "dir"), *map(_completer, (_forms, _rhymes, _recipes))
files = _completer(list, "file")
