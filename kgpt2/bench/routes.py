"""The process of a route: `python -m kgpt2.bench.routes ROUTE '{"argument": ...}'`."""

import importlib
import json
import sys
from collections.abc import Mapping
from typing import Any

from kgpt2.bench.turns import Route, serve

# Where the function lies that gets a route ready.
ROUTES = {
    "engine": "kgpt2.bench.decoding",
    "engine-generate": "kgpt2.bench.decoding",
    "kgpt2-fit": "kgpt2.bench.fitting",
    "kerashub-generate": "kgpt2.bench.kerashub",
    "kerashub-fit": "kgpt2.bench.kerashub",
    "torch-generate": "kgpt2.bench.pytorch",
    "torch-fit": "kgpt2.bench.pytorch",
    "parity": "kgpt2.bench.parity",
    "article": "kgpt2.bench.article",
}


def start(route: str, environment: Mapping[str, str] | None = None, **arguments: Any) -> Route:
    """Starts a route.

    Args:
        route: one of `ROUTES`.
        environment: what it adds to this process' own.
        **arguments: of its `prepare`, JSON values.

    Raises:
        RequestError: it refused them.
        WorkError: it failed.
    """
    # One process must not take the memory that the others need.
    shared = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_CPP_MIN_LOG_LEVEL": "3", "TRANSFORMERS_VERBOSITY": "error"}
    command = [sys.executable, "-m", "kgpt2.bench.routes", route, json.dumps(arguments)]
    return Route(route, command, shared | dict(environment or {}))


def main() -> None:
    """Serves the route that the command line names."""
    route, arguments = sys.argv[1:]
    prepare = importlib.import_module(ROUTES[route]).prepare
    serve(lambda: prepare(route, **json.loads(arguments)))


if __name__ == "__main__":
    main()
