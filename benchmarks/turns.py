"""Routes that take turns: each in a process of its own that loads, warms up, and does one round when it is told to.

So rounds are interleaved, a slow minute of the machine hits every route, and ratios are taken within a round. A script
calls `main` with its routes; started again with `--serve ROUTE`, it becomes that route.
"""

import argparse
import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version

THREADS = os.cpu_count() or 1
PACKAGES = ("keras", "keras-hub", "tensorflow", "jax", "torch", "transformers", "openvino", "ctranslate2")


def machine() -> dict[str, str]:
    """What a figure was measured on."""
    model = next((line for line in _lines("/proc/cpuinfo") if line.startswith("model name")), ":").split(":")[1].strip()
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "machine": f"{platform.machine()}, {THREADS} cores, {model}",
        "python": platform.python_version(),
        **versions,
    }


def serve(prepare: Callable[[], Callable[[], float]]) -> None:
    """The life of a route: `prepare` loads and warms up and gives a round, which returns its rate."""
    began = time.perf_counter()
    turn = prepare()
    print(json.dumps({"startup": round(time.perf_counter() - began, 2)}), flush=True)
    for _ in sys.stdin:
        print(json.dumps({"rate": turn(), "memory": device_memory()}), flush=True)


def device_memory() -> float | None:
    """The most that this process has held of an accelerator's memory, in MB; None where it has used none."""
    if "jax" in sys.modules:
        import jax

        held = jax.local_devices()[0].memory_stats() or {}
        return round(held["peak_bytes_in_use"] / 1e6) if "peak_bytes_in_use" in held else None
    if "torch" in sys.modules:
        import torch

        return round(torch.cuda.max_memory_allocated() / 1e6) if torch.cuda.is_available() else None
    return None


@dataclasses.dataclass
class Found:
    """What the routes did: rates, one a round; the seconds to get ready; the peak of device memory, in MB."""

    rates: dict[str, list[float]]
    startup: dict[str, float]
    memory: dict[str, float | None]


def take_turns(script: str, routes: Mapping[str, Mapping[str, str]], arguments: list[str], rounds: int) -> Found:
    """Lets routes take turns.

    Args:
        script: is started with `--serve ROUTE` and the arguments.
        routes: the environment that each adds.
        arguments: the same for every route.
        rounds: after one that does not count.
    """
    servers, startup = {}, {}
    for route, environment in routes.items():
        server = subprocess.Popen(
            [sys.executable, script, "--serve", route, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(THREADS), **environment},
        )
        ready = json.loads(server.stdout.readline() or "{}")
        print(f"{route}: ready in {ready['startup']:.1f} s" if ready else f"{route}: failed", file=sys.stderr)
        if ready:
            servers[route], startup[route] = server, ready["startup"]
    rates: dict[str, list[float]] = {route: [] for route in servers}
    memory: dict[str, float | None] = {}
    for number in range(rounds + 1):
        for route, server in servers.items():
            server.stdin.write("go\n")
            server.stdin.flush()
            reply = json.loads(server.stdout.readline())
            rate, memory[route] = reply["rate"], reply["memory"]
            print(f"{number} {route}: {rate:.1f}", file=sys.stderr)
            if number:
                rates[route].append(rate)
    for server in servers.values():
        server.stdin.close()
        server.wait()
    return Found(rates, startup, memory)


def summarise(rates: Mapping[str, list[float]], base: str | None) -> dict:
    """Medians and ranges; and the median of the ratios to one route, round by round."""
    report = {
        "median": {route: round(statistics.median(values), 1) for route, values in rates.items()},
        "range": {route: [round(min(values), 1), round(max(values), 1)] for route, values in rates.items()},
    }
    if base in rates:
        report[f"ratio_to_{base}"] = {
            route: round(statistics.median(one / other for one, other in zip(values, rates[base], strict=True)), 2)
            for route, values in rates.items()
        }
    return report


def options_of(parser: argparse.ArgumentParser, routes: Mapping[str, object], rounds: int = 5) -> argparse.Namespace:
    """The command line with what every script of this kind takes."""
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--routes", default=",".join(routes))
    parser.add_argument("--serve", metavar="ROUTE", help=argparse.SUPPRESS)
    return parser.parse_args()


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()
    except OSError:
        return []
