"""mini_zh behind HTTP, in a thread of this process."""

import contextlib
import threading
import time

import pytest

for _needed in ("fastapi", "uvicorn", "prometheus_client", "openai", "httpx"):
    pytest.importorskip(_needed)

import httpx  # noqa: E402
import uvicorn  # noqa: E402

import kgpt2  # noqa: E402
import kgpt2.serve  # noqa: E402
from kgpt2.serve.limits import Limits  # noqa: E402


@pytest.fixture(scope="session")
def lm():
    return kgpt2.load("mini_zh", runtime="openvino")


@contextlib.contextmanager
def served(application):
    """The application at a free port of this machine; yields its address and its uvicorn."""
    server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="warning", timeout_graceful_shutdown=20))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def wait_for(true, seconds=20.0):
    """Until something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(scope="session")
def application(lm):
    return kgpt2.serve.app(lm, hosts={"127.0.0.1", "localhost"})


@pytest.fixture(scope="session")
def address(application):
    with served(application) as (where, _):
        yield where


@pytest.fixture
def http(address):
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


@pytest.fixture
def small(lm):
    """An application that takes little at a time."""
    limits = Limits(rows=2, waiting=3, tokens=100_000, body=10_000, seconds=60, body_seconds=1)
    return kgpt2.serve.app(lm, limits=limits)
