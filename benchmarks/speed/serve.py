"""`kgpt2 serve` under load: one client, then many, each asking anew as soon as it has its answer, streamed.

    python -m benchmarks.speed.serve --clients 64 --seconds 60

The clients share the machine's cores with the server. The first token is timed from the request to the first event
that has text. Memory is the server's resident set: before the load, ten times during it, and two seconds after.
"""

import argparse
import asyncio
import contextlib
import json
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import turns

PROMPTS = ("春风", "白日依山尽，", "明月", "秋", "江南", "故人西辞", "山中", "夜雨寄", "")
FORMS = ("", "七绝", "五绝")


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mini_zh")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--dtype", default="float32")
    options = parser.parse_args()
    with serving(options.model, options.dtype) as (port, pid):
        asyncio.run(load(port, 1, 3, pid))  # what a first request pays once
        one = asyncio.run(load(port, 1, options.seconds / 3, pid))
        many = asyncio.run(load(port, options.clients, options.seconds, pid))
    report = {**turns.machine(), "model": options.model, "dtype": options.dtype, "seconds": options.seconds}
    report["one_client"], report["many_clients"] = one, many
    report["ratio"] = round(many["tokens_per_second"] / one["tokens_per_second"], 2)
    print(json.dumps(report, indent=2))


@contextlib.contextmanager
def serving(model: str, dtype: str) -> Iterator[tuple[int, int]]:
    """A server in a process of its own; yields its port and process."""
    command = [sys.executable, "-m", "kgpt2", "serve", "--model", model, "--port", "0", "--dtype", dtype]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            yield int(re.search(r"http://[^:]+:(\d+)", server.stderr.readline())[1]), server.pid
        finally:
            server.terminate()


async def load(port: int, clients: int, seconds: float, pid: int) -> dict:
    """Asks for so long; the requests that end in that time count."""
    began = time.perf_counter()
    firsts: list[float] = []
    tokens: list[int] = []
    memory: list[float] = [resident_mb(pid)]

    async def client(number: int) -> None:
        draw = random.Random(number)
        while time.perf_counter() - began < seconds:
            first, count = await request(port, draw)
            if time.perf_counter() - began < seconds:
                firsts.append(first)
                tokens.append(count)

    async def watch() -> None:
        for _ in range(10):
            await asyncio.sleep(seconds / 10 * 0.98)
            memory.append(resident_mb(pid))

    await asyncio.gather(watch(), *(client(number) for number in range(clients)))
    await asyncio.sleep(2)
    memory.append(resident_mb(pid))
    cuts = statistics.quantiles(firsts, n=20, method="inclusive")
    return {
        "clients": clients,
        "requests": len(tokens),
        "tokens_per_second": round(sum(tokens) / seconds, 1),
        "first_token_seconds": {"median": round(cuts[9], 3), "p95": round(cuts[18], 3), "max": round(max(firsts), 3)},
        "resident_mb": memory,
    }


async def request(port: int, draw: random.Random) -> tuple[float, int]:
    """One streamed completion: seconds to its first text, and its tokens."""
    asked = {"prompt": draw.choice(PROMPTS), "seed": draw.randrange(2**32), "stream": True}
    asked |= {"stream_options": {"include_usage": True}}
    form = draw.choice(FORMS)
    if form and len(asked["prompt"]) <= 4:
        asked["form"] = form
    else:
        asked["max_tokens"] = 64
    body = json.dumps(asked).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/json\r\n"
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    status = await reader.readline()
    if b" 200 " not in status:
        raise SystemExit(f"the server answers {status!r}")
    first, last = 0.0, b""
    async for line in reader:
        if line.startswith(b"data: {"):
            first = first or time.perf_counter() - began
            last = line
    writer.close()
    return first, json.loads(last[6:])["usage"]["completion_tokens"]


def resident_mb(pid: int) -> float:
    """What a process holds in memory now, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return round(next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1e3, 1)


if __name__ == "__main__":
    main()
