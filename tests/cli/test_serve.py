"""`kgpt2 serve`."""

import contextlib
import re
import resource
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from kgpt2.extras import how_to_install

pytest.importorskip("uvicorn")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.com"])
def test_an_open_address_needs_a_key(kgpt2, host):
    result = kgpt2("serve", "--host", host)
    assert result.status == 2
    assert "--api-key KEY asks for one, --no-auth lets everybody in" in result.err


@pytest.mark.parametrize("key", ["", " ", "诗"])
def test_a_key_is_one(kgpt2, key):
    assert kgpt2("serve", "--api-key", key).status == 2


def test_a_port_in_use(kgpt2):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = kgpt2("serve", "--port", taken.getsockname()[1])
    assert result.status == 1
    assert re.fullmatch(r"kgpt2: --port \d+: Address already in use at 127.0.0.1; --port names another\n", result.err)


@pytest.mark.parametrize("package", ["uvicorn", "fastapi", "prometheus_client"])
def test_a_missing_extra_is_named(process, package):
    program = f"import sys; sys.modules['{package}'] = None; sys.argv = ['kgpt2', 'serve', '--port', '0']\n"
    result = process("-c", program + "from kgpt2.cli.main import main; main()")
    assert result.status == 2
    assert result.err.splitlines()[-1] == how_to_install("serve")
    assert package in result.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(number):
    command = [sys.executable, "-m", "kgpt2", "serve", "--port", "0", "--api-key", "k"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        address = re.search(r"http://\S+", server.stderr.readline())[0]
        asked, headers = {"prompt": "春", "max_tokens": 3}, {"Authorization": "Bearer k"}
        assert httpx.post(f"{address}/v1/completions", json=asked, headers=headers).status_code == 200
        assert httpx.get(address, headers={"Host": "evil.example"}).status_code == 403
        server.send_signal(number)
        rest = server.stderr.read()
        assert server.wait(30) == 0
    assert rest == "stopped\n"


def test_a_thousand_idle_connections():
    """More than a process may have open by default, on either side."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))  # what the server inherits
    command = [sys.executable, "-m", "kgpt2", "serve", "--port", "0"]
    try:
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server, contextlib.ExitStack() as idle:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
            address = re.search(r"http://\S+", server.stderr.readline())[0]
            where = ("127.0.0.1", int(address.rsplit(":", 1)[1]))
            for _ in range(1000):
                idle.enter_context(socket.create_connection(where))
            asked = {"prompt": "春", "max_tokens": 3}
            assert httpx.post(f"{address}/v1/completions", json=asked).status_code == 200
            server.terminate()
            server.stderr.read()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
