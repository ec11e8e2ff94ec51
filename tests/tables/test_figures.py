import xml.etree.ElementTree as ET
from pathlib import Path

from pipeline.results import CellRow
from pipeline.tables import Outcome
from pipeline.tables.figures import DotPlot, Series, _limits, dot_plots, overview

from .make import ABLATION_EXPECTED, EXPECTED, ablation_run, full_run, outcome, row

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # of the first four series
SHARES = {"bottle": 0.9, "cable": 0.6, "01": 0.5, "headct": 0.8, "isic": 0.7}


def _markers(path: Path, panel: int = 1) -> int:
    """How many there are in a plot."""
    return len(_places(path, panel))


def _places(path: Path, panel: int = 1) -> list[tuple[float, float]]:
    """Markers in a plot: uses of a symbol, in the colour of a series, inside the axes, not of the legend."""
    root = ET.parse(path).getroot()  # noqa: S314 - our own file
    svg = "{http://www.w3.org/2000/svg}"
    axes = next(group for group in root.iter(f"{svg}g") if group.get("id") == f"axes_{panel}")
    lines = [group for group in axes.iter(f"{svg}g") if (group.get("id") or "").startswith("line2d")]
    return [
        (float(use.get("x") or 0), float(use.get("y") or 0))
        for group in lines
        for use in group.iter(f"{svg}use")
        if any(colour in (use.get("style") or "").lower() for colour in COLOURS)
    ]


def test_one_marker_a_method_and_data_set_with_a_value(tmp_path: Path) -> None:
    """Three data sets have a pixel task; CLIP-AC was not run on one of them."""
    rows = full_run("clip", SHARES) + [it for it in full_run("clip_ac", SHARES) if it.dataset != "isic"]
    rows.append(row("btad", "01", "clip", 0.1, variant="bicubic"))
    path = tmp_path / "figure.svg"
    overview(outcome(tmp_path, rows), "pixel_auroc").draw(path)
    assert _markers(path) == 3 + 2


def test_two_drawings_have_the_same_bytes(tmp_path: Path) -> None:
    run = outcome(tmp_path, full_run("clip", SHARES))
    for name in "ab":
        overview(run, "pixel_auroc").draw(tmp_path / f"{name}.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def _draw(rows: list[CellRow], folder: Path) -> dict[str, Path]:
    paths = {}
    for plot in dot_plots(outcome(folder, rows, ABLATION_EXPECTED)):
        paths[plot.name] = folder / f"{plot.name}.svg"
        plot.draw(paths[plot.name])
    return paths


def _plot(datasets: int, series: Series, *, signed: bool = False) -> DotPlot:
    expected = dict(list(EXPECTED.items())[:datasets])
    return DotPlot("own", Outcome("paper", expected, {}), {"share": series}, signed)


def test_figure_5_has_a_marker_for_every_gain(tmp_path: Path) -> None:
    """Four metrics of MVTec AD, two of HeadCT; VisA lacks a subset with object-aware prompts."""
    rows = ablation_run("", 0.8) + ablation_run("object_aware", 0.7)
    paths = _draw([it for it in rows if (it.variant, it.subset) != ("object_aware", "pcb1")], tmp_path)
    assert sorted(paths) == ["figure5", "pixel_auroc"]
    assert _markers(paths["figure5"]) == 4 + 2


def test_figure_6_has_a_panel_for_each_level(tmp_path: Path) -> None:
    """Image AUROC of three data sets and pixel AUROC of two, for V-V and Q-Q; K-K was not run."""
    paths = _draw(ablation_run("", 0.8) + ablation_run("qq", 0.7), tmp_path)
    assert sorted(paths) == ["figure6", "pixel_auroc"]
    assert _markers(paths["figure6"], panel=1) == 3 + 3
    assert _markers(paths["figure6"], panel=2) == 2 + 2


def test_gains_are_drawn_about_zero_however_small_or_absent(tmp_path: Path) -> None:
    cases: dict[str, list[float | None]] = {"none": [None], "tiny": [0.0001], "loss": [-0.4]}
    for name, values in cases.items():
        _plot(1, {"AUROC": values}, signed=True).draw(tmp_path / f"{name}.svg")
        assert _markers(tmp_path / f"{name}.svg") == (0 if name == "none" else 1)


def test_equal_values_do_not_hide_each_other(tmp_path: Path) -> None:
    _plot(2, {"one": [0.5, 0.7], "other": [0.5, None]}).draw(tmp_path / "p.svg")
    one, below, other = _places(tmp_path / "p.svg")
    assert one[0] == other[0]
    assert one[1] < other[1] < below[1]


def test_shares_are_drawn_from_the_ten_below_the_lowest() -> None:
    assert _limits({"a": [0.731, 0.9], "b": [None, 0.8]}, signed=False) == (69, 101)
    assert _limits({"a": [None]}, signed=False) == (-1, 101)
