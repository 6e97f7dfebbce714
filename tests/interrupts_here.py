"""Signals that come in the middle of other code; run by test_interrupts in a process of its own."""

import os
import signal
import threading

import pytest

from kgpt2 import interrupts
from kgpt2.errors import Interrupted, RequestError


@pytest.fixture
def listening():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with interrupts.listening():
        yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_is_held_back_and_the_second_is_not(number, listening):
    told = []
    with interrupts.held_back(lambda: told.append("once")):
        assert not interrupts.came()
        signal.raise_signal(number)
        assert interrupts.came()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert told == ["once"]


def test_without_a_command_the_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    for _ in range(2):
        with interrupts.held_back(lambda: None):
            assert not interrupts.came(), "that was another run"
            os.kill(os.getpid(), signal.SIGTERM)
            assert interrupts.came()
        assert signal.getsignal(signal.SIGTERM) == before


def test_one_that_a_destructor_swallowed_is_not_lost(listening, monkeypatch):
    class Swallows:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    swallowed = []
    monkeypatch.setattr("sys.unraisablehook", lambda error: swallowed.append(error.exc_type))
    Swallows()
    assert swallowed == [KeyboardInterrupt]
    with pytest.raises(KeyboardInterrupt), interrupts.held_back(lambda: None):
        pytest.fail("the work began")


def raised(error: Exception, interrupted: bool) -> None:
    with interrupts.recognised():
        try:
            if interrupted:
                signal.raise_signal(signal.SIGINT)
            else:
                raise ValueError
        except (KeyboardInterrupt, ValueError):
            raise error from None


@pytest.mark.parametrize("error", [RuntimeError("INTERNAL: py_func"), RequestError("TFDS cannot read it")], ids=repr)
def test_one_that_became_another_error_is_an_interrupt_again(error, listening):
    with pytest.raises(KeyboardInterrupt):
        raised(error, interrupted=True)


def test_other_errors_stay_what_they_are(listening):
    with pytest.raises(RuntimeError):
        raised(RuntimeError(), interrupted=False)
    with pytest.raises(Interrupted, match="how to go on"):
        raised(Interrupted("how to go on"), interrupted=True)


def test_other_threads_do_without(listening):
    found = []

    def work():
        with interrupts.held_back(lambda: None):
            found.append(interrupts.came())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]
