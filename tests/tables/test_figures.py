import xml.etree.ElementTree as ET
from pathlib import Path

from pipeline.tables.aggregate import entry_means
from pipeline.tables.figures import draw_datasets

from .make import EXPECTED, frame, full_run, row

SHARES = {"bottle": 0.9, "cable": 0.6, "01": 0.5, "headct": 0.8, "isic": 0.7}


def _markers(path: Path) -> int:
    """Markers in the plot: uses of a symbol inside the lines of the axes, not of the legend."""
    root = ET.parse(path).getroot()  # noqa: S314 - our own file
    svg = "{http://www.w3.org/2000/svg}"
    axes = next(group for group in root.iter(f"{svg}g") if group.get("id") == "axes_1")
    lines = [group for group in axes.iter(f"{svg}g") if (group.get("id") or "").startswith("line2d")]
    uses = [use for group in lines for use in group.iter(f"{svg}use") if use.get("style")]
    return len(
        [
            use
            for use in uses
            if "#0072b2" in (use.get("style") or "") or "#e69f00" in (use.get("style") or "")
        ]
    )


def test_one_marker_a_method_and_data_set_with_a_value(tmp_path: Path) -> None:
    """Three data sets have a pixel task; CLIP-AC was not run on one of them."""
    rows = full_run("clip", SHARES) + [it for it in full_run("clip_ac", SHARES) if it.dataset != "isic"]
    rows.append(row("btad", "01", "clip", 0.1, variant="bicubic"))
    path = tmp_path / "figure.svg"
    means = entry_means(frame(rows, tmp_path), EXPECTED)
    draw_datasets(means, EXPECTED, "pixel_auroc", profile="miniature", path=path)
    assert _markers(path) == 3 + 2


def test_two_drawings_have_the_same_bytes(tmp_path: Path) -> None:
    means = entry_means(frame(full_run("clip", SHARES), tmp_path), EXPECTED)
    for name in "ab":
        draw_datasets(means, EXPECTED, "pixel_auroc", profile="miniature", path=tmp_path / f"{name}.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
