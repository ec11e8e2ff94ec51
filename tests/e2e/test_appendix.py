"""The tables of the review thread on the miniature: trained, evaluated and drawn, all of them filled."""

import csv
from pathlib import Path
from typing import Any

import pytest

from pipeline.execution.training import Trainer
from pipeline.params import load_params
from pipeline.tables import write_run_tables
from tests import conftest
from tests.execution.running import evaluate, prepare
from tests.project import Project
from tests.test_params import composed

pytestmark = [pytest.mark.e2e, pytest.mark.soak, pytest.mark.timeout(1200)]

ROWS = {"review7": 5, "review11": 2, "review12": 4, "review13": 3, "review14": 4}


@pytest.fixture
def appendix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """AnomalyCLIP and its variants on the two data sets of these tables, tuned for an epoch."""
    monkeypatch.setattr(conftest, "DATASETS", ("mvtec", "visa"))
    params: dict[str, Any] = composed(
        "variants=appendix", "datasets=[mvtec,visa]", "auxiliaries=[mvtec,visa]", "retuned=none"
    )
    params["methods"] = {"anomalyclip": params["methods"]["anomalyclip"] | {"training": {"epochs": 1}}}
    params["compute"]["backend"] = "serial"
    made = conftest.make_project(tmp_path / "project", params)
    made.use_samples_as_data()
    monkeypatch.chdir(made.folder)
    return made


def test_every_table_is_filled(appendix: Project) -> None:
    params = load_params()
    for dataset in params.datasets:
        prepare(dataset)
    for auxiliary in params.auxiliaries:
        trainer = Trainer(params, auxiliary)
        for _, tune in trainer.jobs():
            tune()
        trainer.close()
    assert evaluate().complete
    write_run_tables(params)
    folder = Path("results/miniature/tables")
    assert {path.stem for path in folder.glob("review*.md")} == set(ROWS)
    for name, rows in ROWS.items():
        lines = list(csv.DictReader((folder / f"{name}.csv").read_text().splitlines()))
        assert len(lines) == rows * 2 * 4  # data sets, metrics
        assert all(line["value"] for line in lines), name
        values = {line["variant"]: line["value"] for line in lines if line["metric"] == "pixel_auroc"}
        assert len(set(values.values())) == rows  # no two settings are one
