import pytest

from pipeline.tables.aggregate import Mean
from pipeline.tables.markdown import Footnotes, emphasised, grid, heading, page, printed, profile_mark, signed


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.5], ["50.0"]),
        ([0.5, 0.6], ["50.0", "**60.0**"]),
        ([0.5, 0.6, 0.4], ["*50.0*", "**60.0**", "40.0"]),
        ([0.6, 0.6, 0.4], ["**60.0**", "**60.0**", "40.0"]),
        ([0.6, 0.5, 0.5, 0.4], ["**60.0**", "*50.0*", "*50.0*", "40.0"]),
        ([0.6, 0.6], ["60.0", "60.0"]),
        ([None, 0.5, 0.4], ["-", "**50.0**", "40.0"]),
        ([None, 0.5], ["-", "50.0"]),
        ([None, None], ["-", "-"]),
        ([1.0, 0.0, 0.09], ["**100.0**", "0.0", "*9.0*"]),
    ],
)
def test_best_and_second_are_marked(values: list[float | None], texts: list[str]) -> None:
    assert emphasised([Mean(value) for value in values]) == texts


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


def test_values_that_print_alike_are_marked_alike() -> None:
    """The choice is the printed value: 91.46 and 91.54 both print 91.5, so both are best."""
    assert emphasised([Mean(0.9146), Mean(0.9154), Mean(0.5)]) == ["**91.5**", "**91.5**", "50.0"]


def test_the_mark_stands_on_every_profile_but_the_paper() -> None:
    assert heading("T", "paper") == ["# T", ""]
    assert heading("T", "miniature") == [
        "# T",
        "",
        "> **MINIATURE PROFILE: drawn data and a tiny CLIP; not comparable with the paper.**",
        "",
    ]
    assert profile_mark("mine") == "MINE PROFILE: not comparable with the paper."


def test_grid() -> None:
    assert grid(["a", "b"], [["x", "1.0"]], text_columns=1) == ["| a | b |", "| --- | ---: |", "| x | 1.0 |"]


def test_footnotes_number_each_reason_once() -> None:
    notes = Footnotes()
    assert notes.lines() == []
    assert notes.mark([]) == ""
    assert notes.mark(["not run", "not run"]) == " [1]"
    assert notes.mark(["missing", "not run"]) == " [2][1]"
    assert notes.lines() == ["", "No value, because:", "", "- [1] not run", "- [2] missing"]


def test_a_page() -> None:
    notes = Footnotes()
    notes.mark(["not run"])
    text = page("T", "paper", ["| a |"], ["Percent."], notes)
    assert text == "# T\n\n| a |\n\n- Percent.\n\nNo value, because:\n\n- [1] not run\n"
