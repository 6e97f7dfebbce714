"""Notes what Python asks of the network in KGPT2_GUARD, and refuses it; this machine itself may be asked."""

import ipaddress
import os
import sys

_ASKS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.connect", "socket.sendto")


def _is_here(host: object) -> bool:
    host = os.fsdecode(host) if isinstance(host, bytes) else host
    if not host or host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(str(host))
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _guard(event: str, arguments: tuple) -> None:
    if event not in _ASKS:
        return
    whom = arguments[0] if event.startswith("socket.get") else arguments[1]
    if isinstance(whom, tuple):
        whom = whom[0]
    elif event in ("socket.connect", "socket.sendto"):
        return  # a socket of this machine, by path
    if not _is_here(whom):
        with open(os.environ["KGPT2_GUARD"], "a") as file:
            file.write(f"{event} {whom}\n")
        raise OSError(f"the tests allow no network: {event} {whom}")


sys.addaudithook(_guard)
