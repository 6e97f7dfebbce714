"""`kgpt2 serve` told to stop while it works, in a process of its own."""

import concurrent.futures
import contextlib
import json
import re
import signal
import subprocess
import sys
import time

import httpx
import pytest

pytest.importorskip("uvicorn")

LONG = {"prompt": "春", "max_tokens": 4096, "min_new_tokens": 4096, "seed": 1}
PROGRAM = """
import sys
from kgpt2.cli import main, serve
serve._GRACE = {grace}
sys.argv = ["kgpt2", "serve", "--port", "0"]
main.main()
"""


@contextlib.contextmanager
def serving(grace):
    """The process, and its address; killed in the end where it still runs."""
    command = [sys.executable, "-c", PROGRAM.format(grace=grace)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            yield server, re.search(r"http://\S+", server.stderr.readline())[0]
        finally:
            server.kill()


def wait_until_running(address, texts):
    while f"kgpt2_rows_running {texts}.0" not in httpx.get(f"{address}/metrics").text:
        time.sleep(0.05)


def wait_until_stopping(address):
    """Until it says so: it answers all the while."""
    while (answer := httpx.get(f"{address}/health")).status_code == 200:
        time.sleep(0.02)
    return answer


def test_what_takes_longer_than_the_grace_is_told_so():
    with serving(grace=2) as (server, address), concurrent.futures.ThreadPoolExecutor() as pool:
        asked = [LONG | {"stream": stream, "seed": seed} for seed in range(3) for stream in (False, True)]
        sent = [pool.submit(httpx.post, f"{address}/v1/completions", json=one, timeout=60) for one in asked]
        wait_until_running(address, 6)
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        for one, answer in zip(asked, [one.result() for one in sent], strict=True):
            if one["stream"]:
                assert answer.status_code == 200
                *pieces, last = answer.text.strip().split("\n\n")
                assert len(pieces) > 1
                error = json.loads(last.removeprefix("data: "))["error"]
            else:
                assert answer.status_code == 503
                assert answer.headers["Retry-After"] == "5"
                error = answer.json()["error"]
            assert (error["type"], error["code"]) == ("server_error", "stopping")
            assert "send this again" in error["message"]
        rest = server.stderr.read()
        assert server.wait(30) == 0
        assert 2 <= time.monotonic() - began < 20
    assert rest == "stopped\n"


def test_while_it_stops_it_says_so_and_what_runs_is_finished():
    with serving(grace=60) as (server, address), concurrent.futures.ThreadPoolExecutor() as pool:
        asked = {"prompt": "春", "max_tokens": 600, "min_new_tokens": 600, "seed": 1}
        running = pool.submit(httpx.post, f"{address}/v1/completions", json=asked, timeout=60)
        wait_until_running(address, 1)
        server.send_signal(signal.SIGTERM)
        health = wait_until_stopping(address)
        assert (health.status_code, health.json()) == (503, {"status": "stopping"})
        headers = {"Accept-Language": "zh-CN"}
        refused = httpx.post(f"{address}/v1/completions", json=asked, headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "stopping")
        assert refused.json()["error"]["message"] == "服务器正在停止，请过几秒再发，或发给另一台"
        assert running.result().json()["usage"]["completion_tokens"] == 600
        rest = server.stderr.read()
        assert server.wait(30) == 0
    assert rest == "stopped\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_does_not_wait(number):
    with serving(grace=60) as (server, address), concurrent.futures.ThreadPoolExecutor() as pool:
        running = pool.submit(httpx.post, f"{address}/v1/completions", json=LONG, timeout=60)
        tracing = {"asked": {"prompt": "春", "max_tokens": 120, "min_new_tokens": 120}}
        traced = pool.submit(httpx.post, f"{address}/lens/trace", json=tracing, timeout=60)
        wait_until_running(address, 1)
        server.send_signal(number)
        wait_until_stopping(address)
        began = time.monotonic()
        server.send_signal(number)
        assert running.result().status_code == 503
        assert traced.result().status_code in (200, 503)
        assert server.wait(30) == 0
        assert time.monotonic() - began < 20
        assert server.stderr.read() == "stopped\n"


def test_a_body_that_is_on_its_way_holds_nothing_up():
    with serving(grace=1) as (server, address):
        where = httpx.URL(address)

        def slowly():
            yield b"{"
            time.sleep(8)
            yield b"}"

        with concurrent.futures.ThreadPoolExecutor() as pool:
            sent = pool.submit(httpx.post, where.join("/v1/completions"), content=slowly(), timeout=60)
            time.sleep(1)
            server.send_signal(signal.SIGTERM)
            rest = server.stderr.read()
            assert server.wait(30) == 0
            assert rest == "stopped\n"
            with contextlib.suppress(httpx.HTTPError):  # its answer came while it was still sending
                assert sent.result().status_code == 503
