import pytest

from pipeline.tables.aggregate import Entry
from pipeline.tables.mean import Mean
from pipeline.tables.model import BEST, SECOND, Number, ranked


def ranks(*values: float | None) -> list[int]:
    slots = [
        (Number(Entry(str(place), ""), "btad", "image_ap", Mean(it)),) for place, it in enumerate(values)
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
        entry = Entry(method, "")
        return (
            Number(entry, "btad", "image_auroc", Mean(first)),
            Number(entry, "btad", "image_ap", Mean(second)),
        )

    both = ranked([pair("clip", 0.9, 0.2), pair("vand", 0.8, 0.3)])
    assert [[number.rank for number in slot] for slot in both] == [[BEST, 0], [0, BEST]]
