"""Differences as lines and as Markdown, word by word: counts first, then what got worse or is gone."""

import pytest

from pipeline.tables import Difference, diff_markdown, diff_text

WORSE = Difference("table 1: mvtec, clip|x, image_ap", 90.0, 88.5, "worse", 0.25, 0.7, "cell")
BETTER = Difference("table 1: mpdd, clip, image_ap", 80.0, 88.5, "better", 0.25, 0.9, "cell")
NEW = Difference("table 1: visa, clip, image_ap", None, 70.0, "new")
GONE = Difference("table 1: btad, clip, image_ap", 60.0, None, "gone")
CALM = Difference("table 1: sdd, clip, image_ap", 50.0, 50.1, "within noise", 0.5, 1.4, "data set")
OTHER = Difference("table 1: dagm, coop, image_ap", 50.0, 51.0, "not judged", reason="other seeds")
EVERY = [CALM, OTHER, GONE, BETTER, NEW, WORSE]
HEADLINE = (
    "99 values compared, 6 moved by more than 0.05 points: "
    "1 worse beyond noise, 1 gone, 1 better beyond noise, 1 new, 1 within noise, 1 not judged."
)
VISIBLE = (
    "Smallest change that is found in 80% of cases: data set 1.40 points, cell 0.80 points (0.70 to 0.90)."
)
WORST = [
    "worse: table 1: mvtec, clip|x, image_ap: 90.0000 -> 88.5000 (-1.5000), noise 0.2500, visible from 0.70",
    "gone: table 1: btad, clip, image_ap: 60.0000 -> no value",
]
REST = "`zsad diff --all` lists every value that moved."


def test_counts_and_reasons_then_what_got_worse() -> None:
    assert diff_text(EVERY, 99, 0.05, every=False).splitlines() == [
        HEADLINE,
        "Not judged, 1: other seeds.",
        VISIBLE,
        *WORST,
        REST,
    ]


def test_every_line_on_request() -> None:
    assert diff_text(EVERY, 99, 0.05, every=True).splitlines() == [
        HEADLINE,
        "Not judged, 1: other seeds.",
        VISIBLE,
        *WORST,
        "better: table 1: mpdd, clip, image_ap: 80.0000 -> 88.5000 (+8.5000),"
        " noise 0.2500, visible from 0.90",
        "new: table 1: visa, clip, image_ap: no value -> 70.0000",
        "within noise: table 1: sdd, clip, image_ap: 50.0000 -> 50.1000 (+0.1000),"
        " noise 0.5000, visible from 1.40",
        "not judged: table 1: dagm, coop, image_ap: 50.0000 -> 51.0000 (+1.0000)",
    ]


def test_nothing_that_got_worse_is_said() -> None:
    calm = "Nothing is worse beyond noise, and nothing is gone."
    head = "1 value compared, 0 moved by more than 0.05 points."
    assert diff_text([], 1, 0.05, every=False).splitlines() == [head, calm]
    assert diff_text([CALM], 1, 0.05, every=False).splitlines()[2:] == [f"{calm} {REST}"]


@pytest.mark.parametrize("count", [20, 21])
def test_at_most_twenty_lines_unless_all_are_asked_for(count: int) -> None:
    lines = diff_text([WORSE] * count, 99, 0.05, every=False).splitlines()[2:]
    assert lines[:20] == WORST[:1] * 20
    assert lines[20:] == ([f"And 1 more that are worse or gone. {REST}"] if count == 21 else [])
    assert len(diff_text([WORSE] * count, 99, 0.05, every=True).splitlines()) == 2 + count


def test_markdown_is_counts_and_one_table() -> None:
    assert diff_markdown(EVERY, 99, 0.05, every=False).splitlines() == [
        f"**{HEADLINE}**",
        "- Not judged, 1: other seeds.",
        f"- {VISIBLE}",
        "",
        "| Verdict | Value | before | after | difference | noise | visible from |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
        "| worse | table 1: mvtec, clip\\|x, image_ap | 90.00 | 88.50 | -1.50 | 0.25 | 0.70 |",
        "| gone | table 1: btad, clip, image_ap | 60.00 |  |  |  |  |",
        "",
        REST,
    ]
    every = diff_markdown(EVERY, 99, 0.05, every=True).splitlines()
    assert every[8:] == [
        "| better | table 1: mpdd, clip, image_ap | 80.00 | 88.50 | +8.50 | 0.25 | 0.90 |",
        "| new | table 1: visa, clip, image_ap |  | 70.00 |  |  |  |",
        "| within noise | table 1: sdd, clip, image_ap | 50.00 | 50.10 | +0.10 | 0.50 | 1.40 |",
        "| not judged | table 1: dagm, coop, image_ap | 50.00 | 51.00 | +1.00 |  |  |",
    ]


def test_a_comment_on_a_pull_request_is_not_longer_than_it_may_be() -> None:
    text = diff_markdown([WORSE] * 500, 999, 0.05, every=True)
    assert len(text) < 65536
    assert text.endswith("\n\nAnd 100 more.")
