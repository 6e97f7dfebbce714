"""`kgpt2 serve`."""

import ipaddress
import socket
import threading
import webbrowser
from typing import TYPE_CHECKING

import click

from kgpt2.cli import completing
from kgpt2.cli.console import debug_option, say
from kgpt2.cli.help import Command
from kgpt2.cli.options import MODEL_OPTIONS, model_options, read_noted
from kgpt2.errors import RequestError, WorkError

if TYPE_CHECKING:
    from kgpt2.checkpoints.special_tokens import SpecialTokens

# Seconds that running requests have to finish when the server is told to stop.
_GRACE = 30
# Connections at a time, most of them idle; what comes above them is answered with 503.
_CONNECTIONS = 4096
# Files that the server opens besides: the model, libraries, standard streams.
_OTHER_FILES = 256

HEADINGS = {
    "Server": ("host", "port", "api_key", "no_auth", "opening"),
    "Model and runtime": ("model", *MODEL_OPTIONS, "dtype"),
}


@click.command("serve", cls=Command, headings=HEADINGS)
@click.option(
    "--model",
    metavar="MODEL",
    shell_complete=completing.models,
    default="mini_zh",
    show_default=True,
    help="As in `kgpt2 generate`.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any that is free.")
@click.option("--api-key", metavar="KEY", envvar="KGPT2_API_KEY", help="What requests must bring; or KGPT2_API_KEY.")
@click.option("--no-auth", is_flag=True, help="Listen beyond this machine without a key.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "int8", "int4", "auto"]),
    default="float32",
    show_default=True,
    help="int8 and int4 keep the weights so; auto is the fastest.",
)
@click.option("--open", "opening", is_flag=True, help="Open the page in a browser.")
@model_options
@debug_option
def command(
    model: str,
    host: str,
    port: int,
    api_key: str | None,
    no_auth: bool,
    dtype: str,
    opening: bool,
    described: "tuple[SpecialTokens, str | None]",
) -> None:
    """Serve a model over HTTP: OpenAI's completions, and a page to write verse and to look at samplers."""
    _require_key(host, api_key, no_auth)
    from kgpt2.serve import app, missing

    try:
        import uvicorn

        from kgpt2.serve.ending import Ending, EndingServer
    except ModuleNotFoundError as error:
        raise missing(error) from None

    with _listening(host, port) as listener:
        address = f"http://{_in_address(host)}:{listener.getsockname()[1]}"
        from kgpt2.generation.language_model import open_runtime

        lm = open_runtime(read_noted(model, described), dtype, "openvino")
        hosts = {"localhost", "127.0.0.1", "[::1]", _in_address(host)} if _is_loopback(host) else None
        ending = Ending()
        application = app(lm, name=model, api_key=api_key, hosts=hosts, ending=ending)
        config = uvicorn.Config(
            application,
            log_level="warning",
            limit_concurrency=_room_for_connections(),
            server_header=False,
        )
        say(f"{model} is served at {address} (Ctrl-C stops it)")
        if opening:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        EndingServer(config, ending, _GRACE).run(sockets=[listener])
        say("stopped")


def _room_for_connections() -> int:
    """Asks the system for as many open files as connections need; returns how many connections it allows."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows, where sockets are no files
        return _CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _CONNECTIONS + _OTHER_FILES
    allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed - _OTHER_FILES


def _require_key(host: str, api_key: str | None, no_auth: bool) -> None:
    if api_key is not None and (not api_key.strip() or not api_key.isascii()):
        raise RequestError("--api-key: a key of ASCII characters, not an empty one")
    if not _is_loopback(host) and api_key is None and not no_auth:
        raise RequestError(
            f"--host {host}: others can reach this address, and there is no key\n"
            "--api-key KEY asks for one, --no-auth lets everybody in"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _in_address(host: str) -> str:
    """A host as it stands in an address: IPv6 in brackets."""
    bare = host.strip("[]").lower()
    return f"[{bare}]" if ":" in bare else bare


def _listening(host: str, port: int) -> socket.socket:
    """The socket, taken before the model is loaded.

    Raises:
        RequestError: there is no such address.
        WorkError: another process has the port.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise RequestError(f"--host {host}: no address of this machine ({error.strerror})") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise WorkError(f"--port {port}: {error.strerror} at {host}; --port names another") from None
    return listener
