"""Differences as lines and as Markdown, word by word."""

import pytest

from pipeline.tables import Difference, diff_markdown, diff_text

WORSE = Difference("table 1: mvtec, clip|x, image_ap", 90.0, 88.5, "worse", 0.25)
NEW = Difference("table 1: visa, clip, image_ap", None, 70.0, "new")
GONE = Difference("table 1: btad, clip, image_ap", 60.0, None, "gone")
CALM = Difference("table 1: sdd, clip, image_ap", 50.0, 50.1, "within noise", 0.5)


def test_lines_and_the_headline_last() -> None:
    assert diff_text([WORSE, NEW, GONE], 0.05).splitlines() == [
        "worse: table 1: mvtec, clip|x, image_ap: 90.0000 -> 88.5000 (-1.5000), noise 0.2500",
        "new: table 1: visa, clip, image_ap: no value -> 70.0000",
        "gone: table 1: btad, clip, image_ap: 60.0000 -> no value",
        "3 values differ by more than 0.05 points: 1 worse, 1 gone, 1 new",
    ]
    assert diff_text([], 0.05) == "0 values differ by more than 0.05 points"


def test_markdown_has_a_part_a_verdict_and_folds_the_rest() -> None:
    header = ["| Value | before | after | difference | noise |", "| --- | ---: | ---: | ---: | ---: |"]
    assert diff_markdown([CALM, GONE, WORSE], 0.05).splitlines() == [
        "**3 values differ by more than 0.05 points: 1 worse, 1 within noise, 1 gone**",
        "",
        "### Worse",
        "",
        *header,
        "| table 1: mvtec, clip\\|x, image_ap | 90.00 | 88.50 | -1.50 | 0.25 |",
        "",
        "### Gone",
        "",
        *header,
        "| table 1: btad, clip, image_ap | 60.00 |  |  |  |",
        "",
        "<details><summary>Within noise, or not judged</summary>",
        "",
        *header,
        "| table 1: sdd, clip, image_ap | 50.00 | 50.10 | +0.10 | 0.50 |",
        "",
        "</details>",
    ]


@pytest.mark.parametrize("count", [60, 61])
def test_a_part_has_at_most_sixty_rows(count: int) -> None:
    text = diff_markdown([WORSE] * count, 0.05)
    assert text.count("\n| table 1") == 60
    assert text.endswith("\n\nand 1 more; `zsad diff` lists them") == (count == 61)
