"""Routes of a benchmark that take turns, each in a process of its own (see `kgpt2.bench.turns`).

A script calls `take_turns` with its routes; started again with `--serve ROUTE`, it becomes that route.
"""

import argparse
import dataclasses
import statistics
import sys
from collections.abc import Callable, Mapping

from kgpt2.bench import turns
from kgpt2.bench.environment import environment, peak_memory
from kgpt2.errors import Kgpt2Error

THREADS = turns.THREADS
machine = environment


def serve(prepare: Callable[[], Callable[[], float]]) -> None:
    """The life of a route: `prepare` loads and warms up and gives a round, which returns its rate."""

    def answering() -> Callable[[dict], dict]:
        turn = prepare()
        return lambda request: {"rate": turn(), "memory": peak_memory()}

    turns.serve(answering)


@dataclasses.dataclass
class Found:
    """What the routes did: rates, one a round; the seconds to get ready; the peak of memory, in MB."""

    rates: dict[str, list[float]]
    startup: dict[str, float]
    memory: dict[str, float | None]


def take_turns(script: str, routes: Mapping[str, Mapping[str, str]], arguments: list[str], rounds: int) -> Found:
    """Lets routes take turns; one that fails is said so and left out.

    Args:
        script: a module, started with `--serve ROUTE` and the arguments.
        routes: the environment that each adds.
        arguments: the same for every route.
        rounds: after one that does not count.
    """
    servers: dict[str, turns.Route] = {}
    for name, added in routes.items():
        try:
            servers[name] = turns.Route(name, [sys.executable, "-m", script, "--serve", name, *arguments], added)
            print(f"{name}: ready in {servers[name].startup:.1f} s", file=sys.stderr)
        except Kgpt2Error as error:
            print(f"{name}: failed\n{error}", file=sys.stderr)
    rates: dict[str, list[float]] = {name: [] for name in servers}
    memory: dict[str, float | None] = {}
    for number in range(rounds + 1):
        for name, server in servers.items():
            reply = server.ask()
            rate, memory[name] = reply["rate"], reply["memory"]
            print(f"{number} {name}: {rate:.1f}", file=sys.stderr)
            if number:
                rates[name].append(rate)
    for server in servers.values():
        server.close()
    return Found(rates, {name: round(server.startup, 2) for name, server in servers.items()}, memory)


def summarise(rates: Mapping[str, list[float]], base: str | None) -> dict:
    """Medians and ranges; and the median of the ratios to one route, round by round."""
    report = {
        "median": {route: round(statistics.median(values), 1) for route, values in rates.items()},
        "range": {route: [round(min(values), 1), round(max(values), 1)] for route, values in rates.items()},
    }
    if base in rates:
        report[f"ratio_to_{base}"] = {
            route: round(turns.paired_ratio(values, rates[base]), 2) for route, values in rates.items()
        }
    return report


def options_of(parser: argparse.ArgumentParser, routes: Mapping[str, object], rounds: int = 5) -> argparse.Namespace:
    """The command line with what every script of this kind takes."""
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--routes", default=",".join(routes))
    parser.add_argument("--serve", metavar="ROUTE", help=argparse.SUPPRESS)
    return parser.parse_args()
