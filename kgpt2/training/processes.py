"""Several JAX processes that train together: they meet, stop together, and notice when one of them is gone.

JAX's client aborts its process when its connection to process 0 breaks, and waits for minutes where a process is gone
that it has no connection to. So the connections go through a relay of ours, on both sides. It notices at once which has
closed, and keeps the other half open for as long as it takes to end in good order.
"""

import atexit
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

import keras

from kgpt2 import interrupts
from kgpt2.errors import RequestError, WorkError

_PREFIX = "KERAS_DISTRIBUTION_"
LOST = "another process of this run has ended\n--resume, on each of them, goes on from the last checkpoint"
# Seconds: to wait for process 0, for a silent machine to be given up, and for the work to fail by itself.
_MEETING, _SILENCE, _GRACE = 300, 30, 15


def meet() -> None:
    """Connects this process with the others, where `KERAS_DISTRIBUTION_*` tells of some.

    Raises:
        RequestError: what it tells cannot be.
        WorkError: the others did not come in five minutes.
    """
    global _party
    import jax

    if _party is not None:
        _party.met, _party.parted = True, False
    if jax.distributed.is_initialized() or not any(name.startswith(_PREFIX) for name in os.environ):
        return
    addresses = os.environ.get(f"{_PREFIX}JOB_ADDRESSES", "").split(",")
    try:
        count, number = (int(os.environ[_PREFIX + name]) for name in ("NUM_PROCESSES", "PROCESS_ID"))
        host, port = addresses[0].rsplit(":", 1)
        place = host.strip("[]"), int(port)
    except (KeyError, ValueError):
        raise RequestError(
            f"{_PREFIX}*: JOB_ADDRESSES (HOST:PORT of process 0), NUM_PROCESSES and PROCESS_ID are wanted, all three"
        ) from None
    if not 0 <= number < count:
        raise RequestError(f"{_PREFIX}PROCESS_ID: {number} will not do, it must be 0 or more and less than {count}")
    if count == 1:
        return
    _party = _Party(place, number)
    try:
        keras.distribution.initialize(f"127.0.0.1:{_party.port}", count, number)
    except RuntimeError as error:
        _party.leave()
        raise WorkError(f"the {count} processes of this run did not meet ({str(error).splitlines()[0]:.200})") from None
    _party.met = True


def asked_to_stop(step: int) -> bool:
    """Whether to stop after a step, because of an interrupt; all processes agree on the step.

    Args:
        step: must be asked for every step, in order.
    """
    if _party is None:
        return interrupts.came()
    from jax.experimental import multihost_utils

    if interrupts.came():
        # JAX listens for this signal alone, and sees to it that the processes stop after the same step.
        os.kill(os.getpid(), signal.SIGTERM)
    reached = multihost_utils.reached_preemption_sync_point(step)
    if reached:
        _party.part()
    return reached


@contextlib.contextmanager
def together() -> Iterator[None]:
    """A run: when it is done the others may end, and when it fails this process ends without waiting for them."""
    try:
        yield
    except BaseException as error:
        if _party is not None:
            _party.status = getattr(error, "exit_status", 1)
        raise
    if _party is not None:
        _party.part()


def is_lost() -> bool:
    """Whether an error of this process comes of another's end; waits a moment for the news of it."""
    return _party is not None and _party.lost.wait(2)


class _Party:
    """The connections of this process with the others.

    Args:
        place: host and port of process 0.
        number: of this process.

    Attributes:
        port: where JAX's service (process 0) or the way to it (others) is, on this machine.
        met: all have connected, and none may leave.
        parted: this process may end in good order.
        lost: one has left.
        status: with which to end where it is not in good order.
    """

    def __init__(self, place: tuple[str, int], number: int):
        self.met, self.parted, self.lost, self.status = False, False, threading.Event(), 1
        inner = socket.create_server(("127.0.0.1", 0))
        self.port = inner.getsockname()[1]
        if number == 0:
            inner.close()  # the port is for JAX's service
            _thread(self._relay, _listen(place[1]), ("127.0.0.1", self.port))
        else:
            _thread(self._relay, inner, place)
        # Before JAX's own, which would wait for the others.
        atexit.register(self.leave)

    def part(self) -> None:
        """From here on the others may end."""
        self.met, self.parted = False, True

    def leave(self) -> None:
        """Ends this process at once, unless it ends in good order: JAX would wait for the others."""
        if not self.parted:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.status)

    def _relay(self, listening: socket.socket, target: tuple[str, int]) -> None:
        while True:
            here, _ = listening.accept()
            _thread(self._connect, here, target, time.monotonic() + _MEETING)

    def _connect(self, here: socket.socket, target: tuple[str, int], until: float) -> None:
        while True:
            try:
                there = socket.create_connection(target)
                break
            except OSError:  # it is not there yet
                if time.monotonic() > until:
                    here.close()
                    return
                time.sleep(0.2)
        for one in (here, there):
            _keep_alive(one)
        _thread(self._pass_on, here, there)
        self._pass_on(there, here)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        if self.met:
            self._lose()
        elif not self.parted:  # an attempt to connect that JAX gave up
            for one in (source, target):
                one.close()

    def _lose(self) -> None:
        """A computation that waits for the one who left may never fail: then this ends it."""
        self.lost.set()
        time.sleep(_GRACE)
        if self.met:
            sys.stderr.write(f"kgpt2: {LOST}\n")
            self.leave()


_party: _Party | None = None


def _thread(work: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=work, args=arguments, daemon=True).start()


def _listen(port: int) -> socket.socket:
    """A socket on every interface, as JAX's own service has it."""
    try:
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("", port))
    except OSError as error:
        raise RequestError(f"{_PREFIX}JOB_ADDRESSES: port {port} cannot be had here ({error.strerror})") from None


def _keep_alive(connection: socket.socket) -> None:
    """Has the system ask a silent machine whether it is there, and give it up."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, seconds in (("TCP_KEEPIDLE", _SILENCE // 3), ("TCP_KEEPINTVL", _SILENCE // 6), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):  # not on every system
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE * 1000)
