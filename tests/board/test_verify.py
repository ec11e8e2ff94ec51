"""`zsad verify`: honest folders are accepted, an older release's too; each tampered one is refused by name."""

import csv
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.board import verify
from pipeline.results import (
    METRICS_SCHEMA,
    CellResult,
    CellScores,
    parquet,
    write_results,
)
from pipeline.results import schema as declared
from pipeline.tables.values import COLUMNS

from .make import cells, change, draw, set_release, texts, write_folder

CELLS = cells(datasets=("btad", "headct"), systems=(("clip", ""), ("anomalyclip", "")))
METRICS = "metrics/headct/brain.parquet"


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(CELLS, tmp_path_factory.mktemp("honest") / "miniature")


@pytest.fixture
def folder(honest: Path, tmp_path: Path) -> Path:
    """A copy to tamper with."""
    return Path(shutil.copytree(honest, tmp_path / "miniature"))


def test_an_honest_copy_is_accepted(honest: Path) -> None:
    found = verify(honest)
    assert found.reasons == ()
    assert found.accepted


def test_costs_beside_the_results_are_accepted_and_not_checked(folder: Path) -> None:
    (folder / "cost").mkdir()
    (folder / "cost" / "cost.json").write_text("{}")
    assert verify(folder).reasons == ()
    (folder / "costs").mkdir()
    assert "costs" in verify(folder).reasons[0]


def test_the_rows_of_an_older_release_are_accepted(
    honest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of schema version 3 without the rule's columns, tables without those, another release's name."""
    folder = tmp_path / "miniature"
    shutil.copytree(honest, folder)
    monkeypatch.setattr(parquet, "SCHEMA_VERSION", 3)
    for path in folder.glob("*/*/*.parquet"):
        table, metadata = parquet.from_bytes(path.read_bytes(), _schema(path), str(path))
        kept = [name for name in table.column_names if declared.SINCE.get(name, 0) < 4]
        table = table.select(kept)
        if "schema_version" in kept:
            table = table.set_column(0, _schema(path).field(0), pa.array([3] * len(table), pa.int32()))
        path.write_bytes(parquet.to_bytes(table, {k: v for k, v in metadata.items() if k[:4] != "zsad"}))
    monkeypatch.undo()
    set_release(folder, "0.0.9")
    for path in texts(folder):
        if path.stem in ("metrics", "protocols"):
            path.unlink()
        elif path.suffix == ".csv":
            _without_what_is_new(path)
    found = verify(folder)
    assert found.reasons == ()
    assert "another release drew them" in found.unchecked[0]
    table = folder / "tables" / "table1.csv"
    table.write_text(table.read_text().replace(".", ".1", 1))
    assert "tables/table1.csv: does not follow from the rows" in verify(folder).reasons[0]


def _schema(path: Path) -> pa.Schema:
    return {
        "metrics": METRICS_SCHEMA,
        "scores": declared.SCORES_SCHEMA,
        "examples": declared.EXAMPLES_SCHEMA,
    }[path.parts[-3]]


def _without_what_is_new(path: Path) -> None:
    new = {"track", "protocol", "shown_by", *(name for name in COLUMNS if name.startswith("published_"))}
    lines = [line for line in csv.DictReader(path.open()) if line["metric"] not in declared.SINCE]
    with path.open("w") as file:
        writer = csv.DictWriter(file, [name for name in COLUMNS if name not in new], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(lines)


def rewritten(results: list[CellResult]) -> Callable[[Path], None]:
    """Other rows and scores, the tables as they were."""

    def tamper(folder: Path) -> None:
        write_results(results, folder)

    return tamper


def redrawn(results: list[CellResult]) -> Callable[[Path], None]:
    """Other rows and scores, and the tables that follow from them."""

    def tamper(folder: Path) -> None:
        write_results(results, folder)
        draw(folder)

    return tamper


def rows_changed(change_rows: Callable[[list[dict[str, object]]], object]) -> Callable[[Path], None]:
    """One file with rows that no writer of ours would write."""

    def tamper(folder: Path) -> None:
        path = folder / METRICS
        table, _ = parquet.from_bytes(path.read_bytes(), METRICS_SCHEMA, str(path))
        rows = table.to_pylist()
        change_rows(rows)
        path.write_bytes(parquet.to_bytes(pa.Table.from_pylist(rows, METRICS_SCHEMA), {}))

    return tamper


def written(name: str, text: str) -> Callable[[Path], object]:
    def tamper(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return tamper


def edited(name: str, old: str, new: str) -> Callable[[Path], object]:
    def tamper(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return tamper


def other_scores() -> list[CellResult]:
    first = CELLS[0]
    assert first.scores is not None
    scores = np.array(first.scores.scores)
    scores[0] = 9.0
    return [replace(first, scores=CellScores(first.scores.images, first.scores.labels, scores)), *CELLS[1:]]


def other_images() -> list[CellResult]:
    first = CELLS[0]
    assert first.scores is not None
    names = ["train/000.png", *first.scores.images[1:]]
    return [replace(first, scores=CellScores(names, first.scores.labels, first.scores.scores)), *CELLS[1:]]


def linked(folder: Path) -> None:
    (folder / "tables" / "secret.md").symlink_to("/etc/hostname")


def piped(folder: Path) -> None:
    os.mkfifo(folder / "scores" / "pipe.parquet")


def huge(folder: Path) -> None:
    with (folder / METRICS).open("r+b") as file:
        file.truncate(600 << 20)


def flipped(folder: Path) -> None:
    content = bytearray((folder / METRICS).read_bytes())
    content[200] ^= 1
    (folder / METRICS).write_bytes(content)


def learnt(dataset: str = "btad", variant: str = "") -> int:
    return next(
        place
        for place, it in enumerate(CELLS)
        if (it.row.dataset, it.row.method, it.row.variant) == (dataset, "anomalyclip", variant)
    )


OTHER = "f" * 64
# ruff: noqa: E501
TAMPERED: dict[str, tuple[Callable[[Path], object], str]] = {
    "an image value": (redrawn(change(CELLS, 0, image_auroc=0.999)), "image_auroc is 0.999000, its scores give"),
    "a pixel value": (rewritten(change(CELLS, 0, pixel_pro=0.99)), "tables/metrics.csv: does not follow"),
    "a row missing": (redrawn(CELLS[1:]), "1 of 8 cells without a result. clip on btad/01: missing"),
    "a data set half there": (redrawn([it for it in CELLS if it.row.subset != "02"]), "clip on btad/02 and 1 more: missing"),
    "other weights": (redrawn(change(CELLS, learnt(), weights=OTHER)), "another weights than the other rows of"),
    "other settings": (redrawn(change(CELLS, 0, params=OTHER)), "another params than the other rows"),
    "other code": (redrawn(change(CELLS, 0, code=OTHER)), "another code than the other rows of one method"),
    "another build": (redrawn(change(CELLS, 0, build=OTHER)), "another build than the other rows on one subset"),
    "another build's name": (redrawn(change(CELLS, 0, build_name="clean")), "unknown build 'clean'"),
    "a smoke run": (redrawn([replace(it, row=replace(it.row, limit=2)) for it in CELLS]), "a smoke run of at most 2 images"),
    "a title without end": (redrawn([replace(it, row=replace(it.row, title="x" * 999)) for it in CELLS]), "a title of more than 200 letters"),
    "no digest": (redrawn(change(CELLS, 0, weights="<b>")), "weights is no SHA-256"),
    "a key twice": (redrawn(change(CELLS, 0, cell_key=CELLS[1].row.cell_key)), "has the cell_key of"),
    "a cell twice": (rows_changed(lambda rows: rows.append(rows[0])), "this cell occurs twice"),
    "another profile": (rows_changed(lambda rows: rows[0].update(profile="paper")), "results of profile paper"),
    "markup in a method": (rows_changed(lambda rows: rows[0].update(method="<img src=x>")), "'<img src=x>'"),
    "markup in a subset": (rows_changed(lambda rows: rows[0].update(subset="<b>")), "holds rows of headct/_b_"),
    "an unknown data set": (written("metrics/nowhere/x.parquet", "x"), "nowhere/x.parquet: damaged Parquet file"),
    "an unknown track": (rows_changed(lambda rows: rows[0].update(track="best")), "track is 'best'"),
    "two protocols": (rewritten(change(CELLS, learnt(), protocol="visa")), "the protocol mvtec and visa"),
    "tuned on the target": (
        rewritten(change(CELLS, learnt(), auxiliary="btad")),
        "tuned on btad, whose images it is measured on",
    ),
    "tuned on the target among others": (
        rewritten(change(CELLS, learnt(), auxiliary="visa+btad")),
        "tuned on visa+btad, whose images it is measured on",
    ),
    "a seed without a training": (redrawn(change(CELLS, learnt(), auxiliary=None)), "a seed and an auxiliary set"),
    "a value of a table": (edited("tables/table1.csv", "clip", "clop"), "tables/table1.csv: does not follow"),
    "a text of a table": (edited("tables/table1.md", "| CLIP", "| KLIP"), "tables/table1.md: does not follow"),
    "a table of nothing": (written("tables/table9.csv", "profile"), "tables/table9.csv: these rows fill no such"),
    "a table missing": (lambda folder: (folder / "tables" / "table2.md").unlink(), "tables/table2.md: missing"),
    "no tables": (lambda folder: shutil.rmtree(folder / "tables"), "tables/: missing"),
    "other scores": (rewritten(other_scores()), "its scores give"),
    "scores of other images": (rewritten(other_images()), "its scores are of other images"),
    "scores missing": (lambda folder: shutil.rmtree(folder / "scores" / "headct"), "has no scores"),
    "scores without a row": (lambda folder: (folder / METRICS).unlink(), "has scores and no row"),
    "rows in another's file": (
        lambda folder: (folder / METRICS).rename(folder / "metrics" / "headct" / "head.parquet"),
        "head.parquet: holds rows of headct/brain",
    ),
    "a flipped byte": (flipped, "brain.parquet: damaged Parquet file"),
    "no sidecar": (lambda folder: (folder / "run.json").unlink(), "run.json: missing"),
    "a broken sidecar": (written("run.json", "[" * 100_000), "run.json: is not what a run writes"),
    "a link": (linked, "tables/secret.md: a link or a device"),
    "a pipe": (piped, "scores/pipe.parquet: a link or a device"),
    "a huge file": (huge, "600 MB; no such file of a run has over 512"),
    "a file of something else": (written("index.html", "<script>"), "index.html: no part of results"),
    "markup in a file's name": (written("tables/<b>.md", ""), "tables/<b>.md: a name that no run writes"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_copy_is_refused_by_its_reason(folder: Path, name: str) -> None:
    tamper, reason = TAMPERED[name]
    tamper(folder)
    found = verify(folder)
    assert not found.accepted
    assert reason in "\n".join(found.reasons)


def test_images_of_another_build_than_its_name(tmp_path: Path) -> None:
    run = cells("paper", ["btad", "headct"])
    assert verify(write_folder(run, tmp_path / "paper")).reasons == ()
    other = [replace(it, row=replace(it.row, build_name="85/68")) for it in run if it.row.dataset == "headct"]
    found = verify(write_folder(other, tmp_path / "other"))
    assert "100/100 images, not 85/68" in found.reasons[0]
    assert "that is no build '85/68'" in found.reasons[0]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="no such folder"):
        verify(tmp_path / "nowhere")
