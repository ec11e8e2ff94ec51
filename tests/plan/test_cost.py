"""Costs by hand; schedules against a step-by-step simulation, and against what no schedule can beat."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.plan import Rates, makespan, simulate, useful_workers

MAIN = Rates(start=5.0, cell=0.5, image=2.0, score=0.1, pixels=0.3, finish=0.7, part=0.2, memory=1000)
DURATIONS = st.lists(st.integers(1, 50), min_size=1, max_size=7)


def test_a_group_pays_its_cells_once_and_its_images_once_a_pass() -> None:
    assert MAIN.seconds(images=10, cells=4, masks=False) == pytest.approx(4 * 0.5 + 20 + 4.0)


def test_only_masks_cost_pixel_metrics() -> None:
    both = [MAIN.seconds(images=10, cells=4, masks=masks) for masks in (True, False)]
    assert both[0] - both[1] == pytest.approx(4 * 0.7 + 10 * 4 * 0.3)


def test_more_cells_of_a_tower_do_not_pass_the_images_again() -> None:
    one, ten = (MAIN.seconds(images=100, cells=cells, masks=False) for cells in (1, 10))
    assert ten - one == pytest.approx(9 * (0.5 + 100 * 0.1))


def test_a_range_builds_its_cells_and_the_last_one_adds_the_parts_up() -> None:
    whole = MAIN.seconds(images=10, cells=4, masks=True)
    first, last = MAIN.pieces([6, 4], cells=4, masks=True)
    assert first == pytest.approx(4 * 0.5 + 6 * (2.0 + 4 * 0.4))
    assert first + last == pytest.approx(whole + 4 * (0.5 + 2 * 0.2))
    assert sum(MAIN.pieces([6, 4], cells=4, masks=False)) == pytest.approx(
        MAIN.seconds(images=10, cells=4, masks=False) + 4 * 0.5
    )


def test_a_cluster_is_simulated_with_the_pieces_for_its_size() -> None:
    def pieces(workers: int) -> list[tuple[str, float]]:
        return [("br35h/brain", 12.0 / workers)] * workers

    one, four = simulate(pieces, [1, 4], start=1.0)
    assert (one.seconds, four.seconds) == (13.0, 4.0)
    assert four.speedup == pytest.approx(13 / 4)


def test_nothing_costs_nothing() -> None:
    assert MAIN.seconds(images=0, cells=0, masks=True) == 0


def best_possible(durations: list[int], workers: int) -> int:
    """Over every assignment of groups to workers."""
    choices = product(range(workers), repeat=len(durations))
    return min(
        max(
            sum(d for d, w in zip(durations, choice, strict=True) if w == worker) for worker in range(workers)
        )
        for choice in choices
    )


def second_by_second(durations: list[int], workers: int) -> int:
    """A clock that ticks, with a queue and workers that take from it."""
    queue, left, now = list(durations), [0] * workers, 0
    while queue or any(left):
        left = [seconds or (queue.pop(0) if queue else 0) for seconds in left]
        left = [max(0, seconds - 1) for seconds in left]
        now += 1
    return now


@given(DURATIONS, st.integers(1, 4))
def test_makespan_is_that_of_workers_that_take_from_a_queue(durations: list[int], workers: int) -> None:
    assert makespan(durations, workers) == second_by_second(durations, workers)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(1, 3))
def test_longest_first_is_within_grahams_bound(durations: list[int], workers: int) -> None:
    span = makespan(sorted(durations, reverse=True), workers)
    assert span <= (4 / 3 - 1 / (3 * workers)) * best_possible(durations, workers) + 1e-9


@given(DURATIONS)
def test_useful_workers_is_the_fewest_that_end_with_the_longest_group(durations: list[int]) -> None:
    count = useful_workers(durations)
    assert makespan(durations, count) == max(durations)
    assert all(makespan(durations, fewer) > max(durations) for fewer in range(1, count))


def test_a_simulation_says_how_fast_and_why_not_faster() -> None:
    groups = [("isic/skin", 60.0), ("mvtec/bottle", 20.0), ("btad/01", 20.0), ("btad/02", 20.0)]
    one, two, eight = simulate(lambda _: groups, [1, 2, 8], start=3.0)
    assert (one.workers, two.workers, eight.workers) == (1, 2, 8)
    assert (one.seconds, one.speedup, one.limit) == (123.0, 1.0, "its work")
    assert (two.seconds, two.limit) == (
        63.0,
        "its longest group, isic/skin; more workers than 2 are of no use",
    )
    assert eight.seconds == two.seconds
    assert two.speedup == pytest.approx(123 / 63)
    assert two.busy == pytest.approx(120 / (2 * 63))


def test_short_groups_are_limited_by_the_start_and_odd_ones_by_the_end() -> None:
    (start,) = simulate(lambda _: [("a", 1.0)] * 4, [2], start=30.0)
    assert start.limit == "the start of the workers"
    (uneven,) = simulate(lambda _: [("a", 9.0)] * 3, [2], start=1.0)
    assert uneven.limit == "uneven groups at the end"


def test_a_lone_group_is_its_work_for_one_worker_and_the_limit_for_two() -> None:
    one, two = simulate(lambda _: [("sdd/all", 9.0)], [1, 2], start=1.0)
    assert one.limit == "its work"
    assert two.limit == "its longest group, sdd/all; more workers than 1 are of no use"


@pytest.mark.parametrize(("durations", "workers"), [([], 1), ([0.0, 0.0], 1), ([0.25, 0.25], 2)])
def test_useful_workers_for_groups_of_no_and_of_little_time(durations: list[float], workers: int) -> None:
    assert useful_workers(durations) == workers


def test_a_run_without_time_keeps_nobody_busy() -> None:
    (nothing,) = simulate(lambda _: [], [4], start=0.0)
    assert (nothing.seconds, nothing.busy, nothing.speedup) == (0.0, 0.0, 1.0)


def test_nothing_to_run_takes_the_start_and_no_workers_are_refused() -> None:
    (nothing,) = simulate(lambda _: [], [4], start=2.0)
    assert (nothing.seconds, nothing.limit) == (2.0, "nothing to run")
    with pytest.raises(ValueError, match="0 workers"):
        makespan([1.0], 0)
