import pytest

from pipeline.cells import System
from pipeline.tables.mean import Mean
from pipeline.tables.model import BEST, SECOND, Number, printed, ranked, signed


def ranks(*values: float | None) -> list[int]:
    slots = [
        (Number(System(str(place), ""), "btad", "image_ap", Mean(it)),) for place, it in enumerate(values)
    ]
    return [number.rank for (number,) in ranked(slots)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5], [0]),
        ([0.5, 0.6], [0, BEST]),
        ([0.5, 0.6, 0.4], [SECOND, BEST, 0]),
        ([0.6, 0.6, 0.4], [BEST, BEST, 0]),
        ([0.6, 0.5, 0.5, 0.4], [BEST, SECOND, SECOND, 0]),
        ([0.6, 0.6], [0, 0]),
        ([None, 0.5, 0.4], [0, BEST, 0]),
        ([None, 0.5], [0, 0]),
        ([None, None], [0, 0]),
        ([1.0, 0.0, 0.09], [BEST, 0, SECOND]),
    ],
)
def test_best_and_second_are_ranked(values: list[float | None], expected: list[int]) -> None:
    assert ranks(*values) == expected


def test_values_that_print_alike_are_ranked_alike() -> None:
    """The choice is the printed value: 91.46 and 91.54 both print 91.5, so both are best."""
    assert ranks(0.9146, 0.9154, 0.5) == [BEST, BEST, 0]


def test_each_place_of_a_pair_has_its_own_ranks() -> None:
    def pair(method: str, first: float, second: float) -> tuple[Number, ...]:
        system = System(method, "")
        return (
            Number(system, "btad", "image_auroc", Mean(first)),
            Number(system, "btad", "image_ap", Mean(second)),
        )

    both = ranked([pair("clip", 0.9, 0.2), pair("vand", 0.8, 0.3)])
    assert [[number.rank for number in slot] for slot in both] == [[BEST, 0], [0, BEST]]


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0.0"),
        (1.0, "100.0"),
        (0.3125, "31.3"),  # an exact half
        (0.6805, "68.1"),  # 68.04999999999998 in floats
        (0.6804999, "68.0"),
        (0.91449999, "91.4"),
    ],
)
def test_printed_in_percent_with_halves_rounded_up(share: float, text: str) -> None:
    assert printed(share) == text


@pytest.mark.parametrize(
    ("difference", "text"),
    [(0.025, "+2.5"), (-0.3125, "-31.3"), (0.0, "0.0"), (0.0004, "0.0"), (-0.0004, "0.0"), (-0.0005, "-0.1")],
)
def test_differences_have_a_sign_unless_they_print_as_zero(difference: float, text: str) -> None:
    assert signed(difference) == text
