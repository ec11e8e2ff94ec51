"""What tables say on top when cells have no result."""

from pathlib import Path

from pipeline.tables.aggregate import Entry, EntryMeans, entry_means
from pipeline.tables.incomplete import Shortfall, shortfall

from .make import EXPECTED, failed, frame, full_run, row, write

SHARES = {"bottle": 0.9, "cable": 0.6, "01": 0.5, "headct": 0.8, "isic": 0.7}


def test_a_whole_run_lacks_nothing(tmp_path: Path) -> None:
    rows = [*full_run("clip", SHARES), row("btad", "01", "clip", 0.2, variant="bicubic")]
    means = entry_means(frame(rows, tmp_path), EXPECTED)
    assert shortfall(means, EXPECTED) is None  # a variant is not meant for every data set
    assert shortfall({Entry("coop", ""): EntryMeans({}, EXPECTED)}, EXPECTED) is None  # nor asked for


def test_cells_are_counted_and_reasons_named(tmp_path: Path) -> None:
    rows = [
        row("mvtec", "bottle", "clip", 0.9),
        failed("mvtec", "cable", "clip", "x.png: damaged"),
        row("btad", "01", "clip", 0.9),
        failed("mvtec", "cable", "clip", "x.png: damaged", variant="bicubic"),
        failed("btad", "01", "anomalyclip", "weights are missing", seed=1),
        row("btad", "01", "anomalyclip", 0.5, seed=2),
    ]
    means = entry_means(frame(rows, tmp_path), EXPECTED)
    found = shortfall(means, ["mvtec", "btad"])
    assert found == Shortfall(
        absent=8,
        cells=11,
        reasons=(
            "anomalyclip on mvtec/bottle and 4 more: missing",
            "clip on mvtec/cable and 1 more: failed (x.png: damaged)",
            "anomalyclip on btad/01: failed (weights are missing)",
        ),
    )
    assert str(found) == (
        "INCOMPLETE: 8 of 11 cells without a result. "
        "anomalyclip on mvtec/bottle and 4 more: missing; "
        "clip on mvtec/cable and 1 more: failed (x.png: damaged); and other reasons."
    )


def test_every_format_of_what_lacks_cells_says_so_and_nothing_else_does(tmp_path: Path) -> None:
    rows = [it for it in full_run("clip", SHARES) if it.dataset != "btad"]
    texts = write(tmp_path, [*rows, failed("btad", "01", "clip", "x_1.png & y: damaged")])
    lacking = {name for name in texts if name.startswith(("table1.", "subsets/btad."))}
    marked = {name for name, text in texts.items() if "INCOMPLETE: 1 of" in text}
    assert marked == {"pixel_auroc.svg", *(name for name in lacking if not name.endswith(".csv"))}
    for name in lacking:
        assert "failed (x" in texts[name], name
    assert '"industrial": {\n   "image_ap": null' in texts["summary.json"]
