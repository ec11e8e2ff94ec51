from pipeline.tables.markdown import grid


def test_grid() -> None:
    assert grid(["a", "b"], [["x", "1.0"]], [True, False]) == ["| a | b |", "| --- | ---: |", "| x | 1.0 |"]
