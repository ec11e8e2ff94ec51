"""A folder of images that nobody here made: two commands add and evaluate it, beside the others."""

import csv
import shutil
from pathlib import Path

import pytest

from tests.project import SECONDS, Project

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2 * SECONDS)]


def photos(project: Project) -> Path:
    """Somebody's folder, with names of their own: made of samples that the project does not evaluate here."""
    folder = project.folder / "photos/Line 3 widgets"
    source = project.folder / "samples/btad/BTech_Dataset_transformed/01"
    for kind, name in (("ok", "OK"), ("ko", "dented")):
        shutil.copytree(source / "test" / kind, folder / "test" / name)
    shutil.copytree(source / "ground_truth/ko", folder / "ground_truth/dented")
    return folder


def test_two_commands(trained: Project) -> None:
    trained.init_dvc()
    said = trained.run("zsad", "datasets", "add", str(photos(trained)), "--name", "widgets")
    assert "widgets: mvtec_like, measured on image and pixel level" in said
    assert "dvc exp run -S 'own=[widgets]'" in said

    trained.set_param("own", ["widgets"])
    output = trained.run("dvc", "repro")
    assert "prepare widgets: 1 of 1 subsets" in output
    with (trained.folder / "results/miniature/tables/subsets/widgets.csv").open() as file:
        values = {(row["method"], row["metric"]): row["value"] for row in csv.DictReader(file)}
    for method in ("clip", "anomalyclip"):
        assert float(values[method, "image_auroc"]) >= 0
        assert float(values[method, "pixel_pro"]) >= 0
    tables = trained.folder / "results/miniature/tables"
    assert "widgets" in (tables / "own.md").read_text()
    assert "widgets" not in (tables / "table1.md").read_text()
    assert "up to date" in trained.run("dvc", "status")
    assert "widgets" in trained.run("zsad", "datasets")
