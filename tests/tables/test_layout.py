from pipeline.tables.layout import UNLIKE_TITLE, Footnotes, profile_mark


def test_the_mark_stands_on_every_profile_but_the_paper() -> None:
    assert profile_mark("paper") is None
    assert profile_mark("miniature") == (
        "MINIATURE PROFILE: drawn data and a tiny CLIP; not comparable with the paper."
    )
    assert profile_mark("mine") == "MINE PROFILE: not comparable with the paper."


def test_footnotes_number_each_reason_once() -> None:
    notes = Footnotes()
    assert notes.lines() == []
    assert notes.mark([]) == ""
    assert notes.mark(["not run", "not run"]) == " [1]"
    assert notes.mark(["missing", "not run"]) == " [2][1]"
    assert notes.lines() == ["[1] not run", "[2] missing"]


def test_two_lists_of_footnotes_are_told_apart() -> None:
    notes = Footnotes(UNLIKE_TITLE, "c")
    assert notes.mark(["another build"]) == " [c1]"
    assert notes.lines() == ["[c1] another build"]
