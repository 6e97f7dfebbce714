"""Signals, in a process of their own: one that finds what other tests have left would end pytest's worker."""

from tests.conftest import ROOT


def test_signals_that_come_in_the_middle_of_other_code(process):
    done = process("-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", ROOT / "tests/interrupts_here.py")
    assert done.status == 0, done.out
