from pipeline.tables.markdown import grid, heading


def test_heading() -> None:
    assert heading("T", "paper") == ["# T", ""]
    assert heading("T", "miniature") == [
        "# T",
        "",
        "> **MINIATURE PROFILE: drawn data and a tiny CLIP; not comparable with the paper.**",
        "",
    ]


def test_grid() -> None:
    assert grid(["a", "b"], [["x", "1.0"]], [True, False]) == ["| a | b |", "| --- | ---: |", "| x | 1.0 |"]
