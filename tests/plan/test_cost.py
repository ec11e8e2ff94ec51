"""Costs are sums of measured rates, written out here by hand."""

import pytest

from pipeline.plan import Rates

MAIN = Rates(start=5.0, cell=0.5, image=2.0, score=0.1, memory=1000)


def test_a_group_pays_its_cells_once_and_its_images_once_a_pass() -> None:
    assert MAIN.seconds(images=10, cells=4) == pytest.approx(4 * 0.5 + 20 + 4.0)


def test_more_cells_of_a_tower_do_not_pass_the_images_again() -> None:
    one, ten = (MAIN.seconds(images=100, cells=cells) for cells in (1, 10))
    assert ten - one == pytest.approx(9 * (0.5 + 100 * 0.1))


def test_nothing_costs_nothing() -> None:
    assert MAIN.seconds(images=0, cells=0) == 0
