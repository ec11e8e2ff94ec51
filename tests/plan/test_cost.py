"""Costs are sums of measured rates, written out here by hand."""

import pytest

from pipeline.plan import Rates, Work, total_cost

MAIN = Rates(start=5.0, cell=0.5, image=2.0, score=0.1, memory=1000)
WINDOWS = Rates(start=3.0, cell=1.0, image=0.5, score=0.2, memory=300)


def test_a_group_pays_its_cells_once_and_its_images_once_a_pass() -> None:
    assert Work("mvtec/bottle", "main", images=10, cells=4).seconds(MAIN) == pytest.approx(4 * 0.5 + 20 + 4.0)


def test_more_cells_of_a_tower_do_not_pass_the_images_again() -> None:
    one, ten = (Work("a", "main", images=100, cells=cells).seconds(MAIN) for cells in (1, 10))
    assert ten - one == pytest.approx(9 * (0.5 + 100 * 0.1))


def test_totals_are_sums_and_memory_that_of_all_towers() -> None:
    works = [Work("a", "main", 10, 4), Work("a", "windows", 10, 1), Work("b", "main", 2, 4)]
    cost = total_cost(works, {"main": MAIN, "windows": WINDOWS})
    assert (cost.cells, cost.passes, cost.images, cost.memory) == (9, 3, 22, 1300)
    assert cost.seconds == pytest.approx(26 + (1 + 10 * 0.7) + (2 + 4 + 0.8))


def test_nothing_costs_nothing() -> None:
    cost = total_cost([], {"main": MAIN})
    assert (cost.cells, cost.passes, cost.images, cost.seconds, cost.memory) == (0, 0, 0, 0, 0)
