"""The step after which several processes stop, on threads that send to each other."""

import random
import threading
import time

import pytest

from kgpt2.training.agreement import Agreement

COUNT, STEPS = 3, 400


class Others:
    """Agreements of some processes; `lost` ends what waits."""

    def __init__(self, count=COUNT):
        self.lost, self.heard = threading.Event(), []
        self.all = [Agreement(count, n == 0, self._send(n), self.lost.is_set) for n in range(count)]

    def _send(self, number):
        def later(message):
            time.sleep(random.random() / 1000)
            for other in self.all[1:] if number == 0 else self.all[:1]:
                other.hear(message)

        def send(message):
            self.heard.append(threading.Thread(target=later, args=[message]))
            self.heard[-1].start()

        return send

    def stops(self, wishes: dict[int, int], steps=STEPS) -> list[int | None]:
        """The step after which each stops; a step needs all of them. `wishes` says who wants to, and from when."""
        results, together = [None] * len(self.all), threading.Barrier(len(self.all))

        def run(number, one):
            one.begin()
            for step in range(steps):
                if step:
                    together.wait(20)  # what is between two questions needs all of them
                if one.reached(step, wanted=step >= wishes.get(number, steps)):
                    results[number] = step
                    return

        threads = [threading.Thread(target=run, args=one) for one in enumerate(self.all)]
        for thread in threads:
            thread.start()
        for thread in [*threads, *self.heard]:
            thread.join(20)
        return results


@pytest.mark.parametrize(
    "wishes", [{0: 7}, {2: 7}, {0: 7, 1: 7, 2: 7}, {1: 0}, {1: 6, 2: 9}], ids=["0", "2", "all", "at once", "two"]
)
def test_all_stop_after_the_same_step(wishes):
    for _ in range(20):
        stops = Others().stops(wishes)
        assert len(set(stops)) == 1
        assert min(wishes.values()) <= stops[0] <= min(wishes.values()) + 2


def test_nobody_stops_unasked_and_a_second_run_can():
    others = Others()
    assert others.stops({}, 20) == [None] * COUNT
    assert set(others.stops({1: 5})) <= {5, 6}
    assert others.stops({}, 20) == [None] * COUNT


def test_a_wish_at_the_very_end_leaves_the_next_run_alone():
    others = Others()
    assert len(set(others.stops({2: 19}, 20))) <= 2
    assert others.stops({}, 20) == [None] * COUNT


def test_who_waits_goes_on_when_another_is_gone():
    others = Others()
    others.all[2].hear = lambda message: None
    threading.Timer(0.3, others.lost.set).start()
    others.all[1].begin()
    assert others.all[1].reached(3, wanted=True) is False
