import pytest

from pipeline.tables.model import printed, signed


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
