"""`systems=extended`, on small sets: every cell, tables beside the paper's, learnt better than drawn."""

import shutil
from statistics import fmean
from typing import Any

import pytest

from pipeline.params import load_params
from pipeline.tables import build_tables, read_outcome
from tests.execution.running import evaluate, prepare, train
from tests.project import ROOT, Project
from tests.test_params import composed

pytestmark = [pytest.mark.e2e, pytest.mark.soak, pytest.mark.timeout(1800)]

DATASETS = ["mvtec", "visa", "mpdd", "btad", "dtd_synthetic", "isic"]
LEVELS = {
    "af_clip": "pixel_auroc",
    "faprompt": "pixel_auroc",
    "glocalclip": "pixel_auroc",
    "uniadet": "pixel_auroc",
}
"""What each is meant for."""
UNLEARNT = {("af_clip", 7)}
"""Stays below chance, where the tiny CLIP's hand-written words leave it."""


def test_they_fill_their_tables_and_learn(project: Project) -> None:
    for dataset in DATASETS:
        shutil.copytree(ROOT / "samples" / dataset, project.folder / "samples" / dataset, dirs_exist_ok=True)
    project.use_samples_as_data()
    values: dict[str, Any] = composed("systems=extended")
    values |= {"datasets": DATASETS, "auxiliaries": ["mvtec", "visa"], "retuned": {}, "seeds": [111, 7]}
    values["variants"] = {name: {"untrained": {"training": {"epochs": 0}}} for name in LEVELS}
    values["methods"] = {name: values["methods"][name] for name in ("clip", *LEVELS)}
    values["compute"]["backend"] = "serial"
    project.write_params(values)
    for dataset in DATASETS:
        prepare(dataset)
    for auxiliary in ("mvtec", "visa"):
        train(auxiliary)
    assert evaluate().complete
    for method, metric in LEVELS.items():
        for seed in (111, 7):
            learnt, drawn = (
                fmean(
                    getattr(row, metric)
                    for row in project.rows()
                    if (row.method, row.variant, row.seed) == (method, variant, seed)
                    and getattr(row, metric) is not None
                )
                for variant in ("", "untrained")
            )
            assert (learnt > drawn + 0.02) == ((method, seed) not in UNLEARNT), (method, seed)
    tables = build_tables(read_outcome(load_params()))
    assert {"since_industrial", "since_medical"} <= set(tables)
    assert [system.method for system in tables["table1"].outcome.means] == ["clip"]
