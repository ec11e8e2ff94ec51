from pipeline.tables.layout import UNLIKE_TITLE, Footnotes


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
