"""Runs of a part: without data sets that are not here, and of few images a subset."""

import shutil
from pathlib import Path

from click.testing import CliRunner

from pipeline.catalog import record
from pipeline.cli import main
from pipeline.params import load_params
from pipeline.shards import prepare as write_shards
from pipeline.shards import read_manifest
from pipeline.tables import read_outcome, write_means, write_run_tables
from tests.execution.running import evaluate, prepare
from tests.project import Project


def test_what_is_tuned_on_a_set_that_was_left_out_needs_its_weights(
    trained: Project,
) -> None:
    """BTAD's learnt cells are tuned on SDD, which was not here: its weights may have been brought."""
    trained.set_param("datasets", ["btad", "headct", "endo"])
    trained.set_param("auxiliaries", ["btad"])
    trained.set_param("left_out", ["sdd"])
    assert evaluate().lines()[-1] == "cells: 15 run, 0 reused, 0 failed: complete"
    shutil.rmtree("weights/miniature/sdd")
    summary = evaluate()
    assert summary.lines()[-1] == "cells: 0 run, 12 reused, 0 failed: complete"
    (note,) = summary.notes
    assert note.startswith("anomalyclip on btad/01, seed 111 and 2 more: left out: it is tuned on sdd, which")
    write_run_tables(load_params())
    table = Path("results/miniature/tables/table1.md").read_text(encoding="utf-8")
    assert "LEFT OUT: SDD: not on the machine of this run." in table
    assert "left out: it is tuned on sdd" in table
    result = CliRunner().invoke(main, ["plan", "--only", "failed"])
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "0 cells to run in 0 groups")


def test_a_smoke_run_has_keys_and_rows_of_its_own(trained: Project) -> None:
    whole = evaluate()
    trained.set_param("limit", 2)
    refused = evaluate()
    assert refused.counts()["reused"] == 0
    assert "btad was prepared without a limit: run `dvc repro prepare@btad`" in refused.lines()[0]
    for dataset in load_params().datasets:
        prepare(dataset)
    few = evaluate()
    assert few.counts() == whole.counts()
    assert {(row.limit, row.n_images) for row in trained.rows()} == {(2, 2)}
    write_run_tables(load_params())
    folder = Path("results/miniature/tables")
    for file in ("table1.md", "table1.tex", "table1.html", "subsets/btad.md", "pixel_auroc.svg"):
        assert "SMOKE RUN" in (folder / file).read_text(encoding="utf-8"), file
    assert "miniature, limit 2" in (folder / "table1.csv").read_text(encoding="utf-8")
    means = write_means(read_outcome(load_params()), Path("means"))
    assert all('"limit": 2' in path.read_text(encoding="utf-8") for path in means)
    trained.set_param("limit", None)
    for dataset in load_params().datasets:
        prepare(dataset)
    assert evaluate().counts() == {"run": 0, "reused": whole.run, "failed": 0}


def test_few_images_are_prepared_of_both_labels_and_all_are_counted(trained: Project) -> None:
    source, wanted = Path("samples/btad"), dict.fromkeys(record("btad").subset_names, (5, 6))
    manifest = write_shards(record("btad"), source, Path("few"), [28], wanted, limit=3)
    assert manifest.errors == {}
    assert [(it.normal, it.anomalous) for it in manifest.subsets] == [(2, 1)] * 3
    assert read_manifest(Path("few")).limit == 3
    again = write_shards(record("btad"), source, Path("again"), [28], wanted, limit=3)
    assert again == manifest
    wrong = write_shards(record("btad"), source, Path("few"), [28], {"01": (2, 1)}, limit=3)
    assert "expected 2 normal, found 5" in wrong.errors["01"]
    whole = write_shards(record("btad"), source, Path("all"), [28])
    assert {it.digests[28] for it in whole.subsets}.isdisjoint({it.digests[28] for it in manifest.subsets})
    assert "limit" not in Path("all/manifest.json").read_text(encoding="utf-8")
