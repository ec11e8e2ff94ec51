from pathlib import Path

from pipeline.tables.markdown import grid

from .make import failed, row, write


def test_grid() -> None:
    assert grid(["a", "b"], [["x", "1.0"]], [True, False]) == ["| a | b |", "| --- | ---: |", "| x | 1.0 |"]


def test_what_comes_from_outside_ends_no_cell_and_begins_no_tag_or_link(tmp_path: Path) -> None:
    """A mark of a footnote, which is ours, stays as it is."""
    title = "a|b <i> [link](x) [1]"
    rows = [row("btad", "01", "mine", 0.5, title=title), row("btad", "01", "mine", 0.5, variant="v")]
    texts = write(tmp_path, rows)
    told = r"a\|b \<i\> \[link](x) [1]"
    assert f"| Data set | C | {told} |\n" in texts["table1.md"]
    assert f"\n## {told} (v)\n" in texts["subsets/btad.md"]


def test_a_reason_of_a_failed_cell_begins_no_tag_or_link(tmp_path: Path) -> None:
    reason = "<img src=x onerror=alert(1)> [click](http://x) | `code <b>`"
    texts = write(tmp_path, [row("btad", "01", "clip", 0.5), failed("headct", "headct", "clip", reason)])
    told = r"\<img src=x onerror=alert(1)> \[click](http://x) | `code <b>`"
    for name in ("table2.md", "subsets/headct.md"):
        assert told in texts[name]
        assert "<img" not in texts[name].replace(r"\<", "")
    assert "<img" not in texts["table2.html"]
