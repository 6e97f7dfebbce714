"""Several JAX processes that train together: they meet, stop together, and notice when one of them is gone.

JAX's client aborts its process when its connection to process 0 breaks, and waits for minutes where another is gone. So
each process has a line of ours to process 0, which tells at once when one end is gone, and JAX's connections go through
a relay on both sides, which keeps them open for as long as it takes to end in good order.
"""

import atexit
import contextlib
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

import keras

from kgpt2 import interrupts
from kgpt2.errors import RequestError, WorkError
from kgpt2.training.agreement import SIZE, Agreement

_PREFIX = "KERAS_DISTRIBUTION_"
LOST = "another process of this run has ended\n--resume, on each of them, goes on from the last checkpoint"
_HELLO = b"\0"  # no connection of JAX begins so
# Seconds: to wait for the others, for a silent machine to be given up, and for the work to fail by itself.
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
        _party.begin()
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
    _party = Party(place, number, count)
    _party.gather()
    _party.begin()
    jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM away; `Agreement` is ours
    keras.distribution.initialize(f"127.0.0.1:{_party.port}", count, number)
    _party.shielded = True


def asked_to_stop(step: int) -> bool:
    """Whether to stop after a step, because of an interrupt; all processes agree on the step.

    Args:
        step: must be asked for every step, in order.
    """
    if _party is None:
        return interrupts.came()
    reached = _party.agreement.reached(step, interrupts.came())
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


class Party:
    """The connections of this process with the others.

    Args:
        place: host and port of process 0.
        number: of this process.
        count: how many there are.

    Attributes:
        lines: to process 0, or from the others to it.
        agreement: on the step after which to stop.
        port: where JAX's service (process 0) or the way to it (others) is, on this machine.
        shielded: JAX is connected, and must not see a connection close.
        parted: the others may end, and this process may in good order.
        lost: one has left before.
        status: with which to end where it is not in good order.
    """

    def __init__(self, place: tuple[str, int], number: int, count: int):
        self.shielded, self.parted, self.lost, self.status = False, False, threading.Event(), 1
        self._place, self._leads, self._others = place, number == 0, count - 1
        self.lines: list[socket.socket] = []
        self.agreement = Agreement(count, self._leads, self._tell, self.lost.is_set)
        inner = socket.create_server(("127.0.0.1", 0))
        self.port = inner.getsockname()[1]
        if self._leads:
            inner.close()  # the port is for JAX's service
        _thread(self._relay, _listen(place[1]) if self._leads else inner)
        # Before JAX's own, which would wait for the others.
        atexit.register(self.leave)

    def gather(self) -> None:
        """Waits until all are there.

        Raises:
            KeyboardInterrupt: it was interrupted.
            WorkError: they did not come in time.
        """
        until = time.monotonic() + _MEETING
        while not (self._all_are_here() if self._leads else self._is_called()):
            if interrupts.came():
                raise KeyboardInterrupt
            if time.monotonic() > until:
                raise WorkError(
                    f"{_PREFIX}*: the {self._others + 1} processes of this run did not meet in {_MEETING} seconds\n"
                    f"start all of them, and see that they reach {':'.join(map(str, self._place))}"
                )
            time.sleep(0.1)
        for line in self.lines:
            _thread(self._watch, line)

    def begin(self) -> None:
        """Here begins a run: who leaves now leaves before its end."""
        self.parted = False
        self.agreement.begin()

    def part(self) -> None:
        """From here on the others may end."""
        self.parted = True

    def leave(self) -> None:
        """Ends this process at once, unless it ends in good order: JAX would wait for the others."""
        if not self.parted:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.status)

    def _all_are_here(self) -> bool:
        for line in filter(_is_closed, [*self.lines]):
            self.lines.remove(line)
        if len(self.lines) < self._others:
            return False
        for line in self.lines:
            with contextlib.suppress(OSError):  # it is noticed soon
                line.sendall(_HELLO)
        return True

    def _is_called(self) -> bool:
        """Whether process 0 has answered, which it does when all are there."""
        if self.lines and _is_closed(self.lines[0]):
            self.lines.pop().close()
        if not self.lines:
            with contextlib.suppress(OSError):  # it is not there yet
                line = socket.create_connection(self._place, timeout=1)
                line.settimeout(None)
                line.sendall(_HELLO)
                _keep_alive(line)
                self.lines.append(line)
        return bool(self.lines) and bool(select.select(self.lines, [], [], 0)[0]) and not _is_closed(self.lines[0])

    def _tell(self, message: bytes) -> None:
        for line in self.lines:
            with contextlib.suppress(OSError):  # it is noticed soon
                line.sendall(message)

    def _watch(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if not self._leads:
                line.recv(1)  # the answer, that all are there
            while len(message := line.recv(SIZE, socket.MSG_WAITALL)) == SIZE:
                self.agreement.hear(message)
        self.lost.set()
        # A computation that waits for the one who left may never fail: then this ends it.
        time.sleep(_GRACE)
        if not self.parted:
            sys.stderr.write(f"kgpt2: {LOST}\n")
            self.leave()

    def _relay(self, listening: socket.socket) -> None:
        while True:
            _thread(self._receive, listening.accept()[0])

    def _receive(self, here: socket.socket) -> None:
        _keep_alive(here)
        if self._leads and here.recv(1, socket.MSG_PEEK) == _HELLO:
            here.recv(1)
            self.lines.append(here)
            return
        target = ("127.0.0.1", self.port) if self._leads else self._place
        there = None
        while there is None:
            with contextlib.suppress(OSError):  # it is not there yet
                there = socket.create_connection(target)
            time.sleep(0 if there else 0.1)
        _thread(self._pass_on, here, there)
        self._pass_on(there, here)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        if not self.shielded:  # an attempt to connect that JAX gave up
            for one in (source, target):
                one.close()


_party: Party | None = None


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


def _is_closed(line: socket.socket) -> bool:
    """Whether the other end is gone."""
    try:
        return line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
