"""What strangers do to a server: too much, too slowly, from the wrong place, or gone in the middle."""

import concurrent.futures
import json
import socket
import time
from pathlib import Path

import httpx
import pytest

import kgpt2.serve
from kgpt2.serve.figure import lens_html
from kgpt2.serve.limits import Limits
from tests.serve.conftest import served, wait_for

LONG = {"prompt": "春", "max_tokens": 50_000, "min_new_tokens": 50_000, "seed": 1}


def metric(http, name):
    lines = http.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def is_idle(http):
    return metric(http, "kgpt2_rows_running") + metric(http, "kgpt2_rows_waiting") == 0


def opened(address, body, reads=4096):
    """A connection of its own that has asked for a stream."""
    host, port = address.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, reads)
    data = json.dumps(body).encode()
    head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
    return connection


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nul", b"[]", b'"x"', b'{"prompt": "\xff"}', b"[" * 100_000, b'{"prompt": "\\ud800"}']
)
def test_malformed_bodies(http, body):
    answer = http.post("/v1/completions", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_a_body_of_50_mb(address):
    host, port = address.removeprefix("http://").split(":")
    part = b"x" * (1 << 16)
    before = resident_mb()
    for _ in range(3):
        with socket.create_connection((host, int(port))) as connection:
            head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {50 << 20}\r\n\r\n"
            connection.sendall(head.encode())
            for _ in range((50 << 20) // len(part)):
                connection.sendall(part)
            answer = b""
            while b'"code":"too_large"' not in answer:
                answer += connection.recv(1 << 16) or pytest.fail(f"it ends in the middle: {answer}")
        assert b" 413 " in answer
    assert resident_mb() - before < 20


def resident_mb():
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1e3


def test_a_body_that_does_not_arrive(small):
    with served(small) as (address, _):
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{")
            assert b" 408 " in connection.recv(4096)


def test_a_full_queue(small):
    with served(small) as (address, _), httpx.Client(base_url=address, timeout=60) as http:
        running = [opened(address, LONG | {"stream": True}) for _ in range(2)]
        wait_for(lambda: metric(http, "kgpt2_rows_running") == 2)
        waiting = [opened(address, LONG) for _ in range(3)]
        wait_for(lambda: metric(http, "kgpt2_rows_waiting") == 3)
        refused = http.post("/v1/completions", json={"prompt": "春"})
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        assert refused.json()["error"]["code"] == "overloaded"
        for connection in running + waiting:  # clients that are killed
            connection.close()
        wait_for(lambda: is_idle(http))
        assert http.post("/v1/completions", json={"prompt": "春", "max_tokens": 3}).status_code == 200


def test_a_reader_that_does_not_read_holds_up_nobody(small, lm):
    with served(small) as (address, _), httpx.Client(base_url=address, timeout=60) as http:
        slow = opened(address, LONG | {"stream": True}, reads=1024)
        texts = [http.post("/v1/completions", json={"prompt": "春", "max_tokens": 8, "seed": 2}) for _ in range(3)]
        wanted = lm.generate("春", max_new_tokens=8, seed=2)[0].completion
        assert {answer.json()["choices"][0]["text"] for answer in texts} == {wanted}
        slow.close()
        wait_for(lambda: is_idle(http))


def test_a_request_that_takes_too_long(lm):
    application = kgpt2.serve.app(lm, limits=Limits(tokens=100_000, seconds=1))
    with served(application) as (address, _), httpx.Client(base_url=address, timeout=60) as http:
        answer = http.post("/v1/completions", json=LONG)
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
        assert '"code": "timeout"' in http.post("/v1/completions", json=LONG | {"stream": True}).text
        wait_for(lambda: is_idle(http))


def test_idle_connections_cost_nobody_anything(address, http):
    host, port = address.removeprefix("http://").split(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(100)]
    for connection in idle[:50]:
        connection.sendall(b"POST /v1/completions HTTP/1.1\r\n")
    began = time.monotonic()
    assert http.post("/v1/completions", json={"prompt": "春", "max_tokens": 3}).status_code == 200
    assert time.monotonic() - began < 5
    for connection in idle:
        connection.close()


def test_running_requests_finish_when_the_server_stops(lm):
    with concurrent.futures.ThreadPoolExecutor() as pool, served(kgpt2.serve.app(lm)) as (address, server):
        asked = {"prompt": "春", "max_tokens": 120, "min_new_tokens": 120, "seed": 1}
        wanted = pool.submit(httpx.post, f"{address}/v1/completions", json=asked, timeout=60)
        with httpx.Client(base_url=address) as http:
            wait_for(lambda: metric(http, "kgpt2_rows_running") == 1)
        server.should_exit = True
        assert wanted.result().json()["usage"]["completion_tokens"] == 120
        with pytest.raises(httpx.ConnectError):
            httpx.get(address)


def test_other_hosts_and_other_sites(http):
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        answer = http.post("/v1/completions", json={"prompt": "春"}, headers=headers)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    assert http.get("/health", headers={"Host": "localhost:1"}).json() == {"status": "ok"}


def test_a_key(lm):
    application = kgpt2.serve.app(lm, api_key="secret")
    with served(application) as (address, _), httpx.Client(base_url=address) as http:
        for path in ("/v1/models", "/metrics", "/openapi.json"):
            assert http.get(path).status_code == 401
            assert (
                http.get(path, headers={"Authorization": "Bearer wrong"}).json()["error"]["code"] == "invalid_api_key"
            )
            assert http.get(path, headers={"Authorization": "Bearer secret"}).status_code == 200
        for path in ("/", "/static/main.js", "/health"):
            assert http.get(path).status_code == 200


def test_the_page_may_load_nothing_from_elsewhere(http):
    page = http.get("/")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "http" not in page.text.replace("http-equiv", "")


def test_it_can_be_mounted(lm):
    from fastapi import FastAPI

    outer = FastAPI()
    outer.mount("/poems", kgpt2.serve.app(lm, name="verse"))
    with served(outer) as (address, _), httpx.Client(base_url=f"{address}/poems") as http:
        assert http.post("/v1/completions", json={"model": "verse", "prompt": "春", "max_tokens": 3}).status_code == 200
        assert 'src="static/main.js"' in http.get("/").text
        assert http.get("/static/main.js").status_code == 200


def test_the_lens_draws_what_generate_draws(http, lm):
    asked = {"prompt": "春风", "seed": 3, "max_tokens": 12, "top_k": 20, "min_p": 0.01}
    wanted = lm.generate("春风", seed=3, max_new_tokens=12, k=20, min_p=0.01)[0]
    found = http.post("/lens/trace", json={"asked": asked}).json()
    assert "".join(place["text"] for place in found["places"]) == wanted.completion
    for place in found["places"]:
        probable = [one["p"] for one in place["candidates"]]
        assert probable == sorted(probable, reverse=True)
        assert place["kept"] <= 20
        assert all((one["q"] > 0) == (one["out"] == "") for one in place["candidates"])
    second = found["places"][0]["candidates"][1]["id"]
    other = http.post("/lens/trace", json={"asked": asked, "ids": [second]}).json()
    assert other["places"][0]["id"] == second
    assert other["places"][0]["given"]
    assert http.post("/lens/trace", json={"asked": asked, "ids": [10**6]}).status_code == 400


def test_the_lens_as_a_picture_escapes_what_it_shows():
    candidate = {"id": 1, "text": "<b>", "p": 0.25, "q": 0.5, "out": ""}
    cut = {"id": 2, "text": " ", "p": 0.1, "q": 0.0, "out": "top_p"}
    place = {"id": 1, "text": "<b>", "p": 0.25, "q": 0.5, "entropy": 2.0, "kept": 1, "given": False}
    shown = lens_html([place | {"candidates": [candidate, cut]}])
    assert "<b>" not in shown
    assert "2.0 bits, 1 kept" in shown
    assert "width:25%" in shown
    assert "␣" in shown
    assert shown.count("top_p") == 1


def test_the_page_is_told_what_verse_check_says(http):
    text = "渭城朝雨浥轻尘，客舍青青柳色新。劝君更尽一杯酒，西出阳关无故人。"
    found = http.post("/verse/check", json={"text": text, "system": "pingshui"}).json()
    assert not found["regulated"]
    assert found["faults"] == [{"kind": "失粘", "line": 3, "place": 0, "character": ""}]
    told = http.post("/verse/check", json={"text": text, "form": "七绝", "tones": False}).json()
    assert (told["faults"], told["rhyme"]) == ([], "上平声十一真")
    line = "一曲新词酒一杯，去年天气旧亭台。"
    assert http.post("/verse/check", json={"text": line, "form": "浣溪纱"}).status_code == 400
