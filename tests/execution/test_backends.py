"""Back-pressure: twice the workers that the backend has now, not those that it had."""

import threading
import time
from collections.abc import Callable

from pipeline.execution.backends import Slots
from pipeline.execution.tasks import GroupTask, Report
from pipeline.execution.usage import Place, Scored, unheard


class Width:
    """A backend of a width that a test changes."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, task: GroupTask, started: Callable[[Place], None], scored: Scored = unheard) -> Report:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError


def taken_within(slots: Slots, wanted: int, seconds: float) -> int:
    """How many slots a thread gets that takes `wanted` of them."""
    got: list[int] = []

    def take() -> None:
        for number in range(wanted):
            slots.take()
            got.append(number)

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    thread.join(seconds)
    return len(got)


def test_no_more_than_twice_the_workers() -> None:
    slots = Slots(Width(2))
    assert taken_within(slots, 9, 0.3) == 4


def test_a_slot_that_is_given_back_can_be_taken() -> None:
    slots = Slots(Width(1))
    assert taken_within(slots, 2, 5) == 2
    threading.Timer(0.1, slots.give).start()
    assert taken_within(slots, 1, 5) == 1


def test_a_cluster_that_grows_takes_more() -> None:
    backend = Width(1)
    slots = Slots(backend)
    assert taken_within(slots, 2, 5) == 2
    backend.workers = 3
    assert taken_within(slots, 4, 5) == 4


def test_a_cluster_without_nodes_for_a_moment_still_takes_one() -> None:
    assert taken_within(Slots(Width(0)), 1, 5) == 1


def test_draining_waits_until_all_are_back_or_time_is_up() -> None:
    slots = Slots(Width(1))
    slots.take()
    began = time.monotonic()
    slots.drain(0.1)
    assert time.monotonic() - began >= 0.1
    threading.Timer(0.2, slots.give).start()
    slots.drain(60)
    assert 0.3 <= time.monotonic() - began < 30
