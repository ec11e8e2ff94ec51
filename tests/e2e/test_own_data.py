"""A folder of images that nobody here made: two commands add and evaluate it, beside the others."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from stages import tables
from tests.execution.running import evaluate
from tests.project import ROOT, SECONDS, Project

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
    said = trained.run("zsad", "datasets", "add", str(photos(trained)), "--name", "widgets")
    assert "widgets: mvtec_like, measured on image and pixel level" in said
    assert "dvc exp run -S 'own=[widgets]'" in said

    # What that command does for a data set of one's own; the rest of `dvc repro` is tested beside this.
    trained.set_param("own", ["widgets"])
    trained.set_param("datasets", ["btad", "sdd"])
    trained.set_param("methods", {name: {"layers": [8], "sigma": 1.0} for name in ("clip", "clip_ac")})
    trained.run("dvc", "init", "-q", "--no-scm")
    shutil.copy(ROOT / "dvc.yaml", trained.folder)
    assert "prepare widgets: 1 of 1 subsets, 11 images" in trained.run("dvc", "repro", "prepare_own@widgets")
    assert evaluate().counts() == {"run": 10, "reused": 0, "failed": 0}
    tables.run()

    drawn = trained.folder / "results/miniature/tables"
    with (drawn / "subsets/widgets.csv").open() as file:
        values = {(row["method"], row["metric"]): row["value"] for row in csv.DictReader(file)}
    assert float(values["clip", "image_auroc"]) > 0
    assert float(values["clip", "pixel_pro"]) > 0
    assert "widgets" in (drawn / "own.md").read_text()
    assert "widgets" not in (drawn / "table1.md").read_text()
    own = json.loads(CliRunner().invoke(main, ["datasets", "--json"]).stdout)[-1]
    assert (own["name"], own["state"], own["normal"], own["anomalous"]) == ("widgets", "prepared", 5, 6)
