"""What strangers do to `kgpt2 serve` for a minute: does it go on, and is its memory what it was?

    python -m benchmarks.speed.serve_strangers > benchmarks/records/serve_strangers.json

Beside 32 clients that behave: slow readers, clients killed in the middle, bodies of 50 MB, malformed JSON, and a
thousand connections that say nothing. Memory is the server's resident set, two seconds after each part.
"""

import argparse
import asyncio
import json
import random
import resource
import time
from collections.abc import Callable, Coroutine
from typing import Any

from benchmarks import turns
from benchmarks.speed.serve import load, request, resident_mb, serving

IDLE = 1000
CLIENTS = 32
STREAM = {"prompt": "春", "max_tokens": 120, "min_new_tokens": 100, "stream": True}


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4 * IDLE, hard), hard))
    with serving("mini_zh", "float32") as (port, pid):
        asyncio.run(load(port, CLIENTS, 10, pid))
        report: dict[str, Any] = {**turns.machine(), "seconds": options.seconds, "warm_mb": resident_mb(pid)}
        for name, stranger in STRANGERS.items():
            report[name] = asyncio.run(beside(port, pid, stranger, options.seconds / len(STRANGERS)))
    report["grown_mb"] = round(max(report[name]["resident_mb"] for name in STRANGERS) - report["warm_mb"], 1)
    print(json.dumps(report, indent=2))


async def beside(port: int, pid: int, stranger: Callable[..., Coroutine[Any, Any, int]], seconds: float) -> dict:
    """The load of those who behave, with strangers beside it."""
    end = time.perf_counter() + seconds
    strangers = asyncio.gather(*(stranger(port, end, random.Random(number)) for number in range(8)))
    found = await load(port, CLIENTS, seconds, pid)
    done = sum(await strangers)
    await request(port, random.Random(0))  # it still answers
    await asyncio.sleep(2)
    kept = {key: found[key] for key in ("requests", "tokens_per_second", "first_token_seconds")}
    return {"strangers": done, **kept, "resident_mb": resident_mb(pid)}


async def reads_slowly(port: int, end: float, draw: random.Random) -> int:
    """A byte in a tenth of a second, and then it is gone."""
    count = 0
    while time.perf_counter() < end:
        reader, writer = await sent(port, json.dumps(STREAM).encode())
        for _ in range(20):
            await reader.read(1)
            await asyncio.sleep(0.1)
        writer.close()
        count += 1
    return count


async def is_killed(port: int, end: float, draw: random.Random) -> int:
    """Asks, and is gone within a fifth of a second."""
    count = 0
    while time.perf_counter() < end:
        _, writer = await sent(port, json.dumps(STREAM | {"n": 4}).encode())
        await asyncio.sleep(draw.random() / 5)
        writer.transport.abort()
        count += 1
    return count


async def sends_much(port: int, end: float, draw: random.Random) -> int:
    """A body of 50 MB, until it is told to stop."""
    count = 0
    while time.perf_counter() < end:
        try:
            reader, writer = await sent(port, b"[" + b" " * 1024, 50 << 20)
            for _ in range(800):
                writer.write(b" " * (1 << 16))
                await writer.drain()
            await reader.read(1 << 16)
            writer.close()
        except ConnectionError:
            pass
        count += 1
    return count


async def sends_nonsense(port: int, end: float, draw: random.Random) -> int:
    """JSON that is none, of random bytes."""
    count = 0
    while time.perf_counter() < end:
        reader, writer = await sent(port, b'{"prompt": ' + draw.randbytes(draw.randrange(2000)))
        status = await reader.readline()
        if b" 400 " not in status:
            raise SystemExit(f"the server answers {status!r}")
        writer.close()
        count += 1
    return count


async def says_nothing(port: int, end: float, draw: random.Random) -> int:
    """Connections that stay open and silent."""
    writers = [(await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(IDLE // 8)]
    await asyncio.sleep(max(0.0, end - time.perf_counter()))
    for writer in writers:
        writer.close()
    return len(writers)


STRANGERS = {
    "slow readers": reads_slowly,
    "killed clients": is_killed,
    "bodies of 50 MB": sends_much,
    "malformed JSON": sends_nonsense,
    "idle connections": says_nothing,
}


async def sent(port: int, body: bytes, length: int | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request for a completion, whatever its body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Connection: close\r\nContent-Length: {length or len(body)}\r\n\r\n".encode() + body)
    return reader, writer


if __name__ == "__main__":
    main()
