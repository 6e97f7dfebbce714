"""`python -m kgpt2`."""

from kgpt2.cli.main import main

main()
