"""`kgpt2 completion`."""

import click
from click.shell_completion import get_completion_class

from kgpt2.cli.console import debug_option

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@debug_option
def command(shell: str) -> None:
    """Print what teaches SHELL to complete commands, options and values.

    \b
    bash: kgpt2 completion bash > ~/.local/share/bash-completion/completions/kgpt2
    zsh:  kgpt2 completion zsh > ~/.zfunc/_kgpt2   (a folder of fpath)
    fish: kgpt2 completion fish > ~/.config/fish/completions/kgpt2.fish
    """
    from kgpt2.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "kgpt2", "_KGPT2_COMPLETE").source())
