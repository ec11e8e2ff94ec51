"""Several data sets tuned on as one, from prepared images to keys, rows and tables; no member is a target."""

import subprocess
from pathlib import Path

import pytest
import yaml

from pipeline.catalog import leave_out
from pipeline.errors import DataError, ParamsError
from pipeline.execution.training import Trainer, auxiliary_set
from pipeline.flows.request import Request
from pipeline.params import load_params
from pipeline.price import price
from pipeline.tables import write_run_tables
from tests.execution.running import evaluate, train
from tests.project import ROOT, Project

UNION = "btad+sdd"


@pytest.fixture
def united(trained: Project) -> Project:
    """AnomalyCLIP beside itself as tuned on BTAD and KolektorSDD together."""
    trained.set_param("unions", [UNION])
    block = {"auxiliary": UNION, "methods": ["anomalyclip"], "datasets": ["endo", "headct"]}
    trained.set_param("retuned", {"both": block})
    return trained


def test_the_images_are_those_of_all_members(united: Project) -> None:
    params = load_params()
    size = params.towers["main"].image_size
    both, *alone = (auxiliary_set(params, name, size) for name in (UNION, "btad", "sdd"))
    assert both.name == UNION
    assert len(both) == sum(map(len, alone))
    assert list(both.class_names) == [name for each in alone for name in each.class_names]
    assert (both.images[-1] == alone[1].images[-1]).all()
    assert (both.masks[0] == alone[0].masks[0]).all()


def test_a_run_tuned_on_a_union(united: Project) -> None:
    missing = evaluate()
    assert missing.counts()["failed"] == 2
    assert any(f"run `dvc repro train_union@{UNION}`" in line for line in missing.lines())
    train(UNION)
    assert evaluate().counts() == {"run": 2, "reused": missing.counts()["run"], "failed": 0}
    rows = {(row.dataset, row.variant): row for row in united.rows() if row.method == "anomalyclip"}
    one, other = rows["endo", ""], rows["endo", "both"]
    assert (one.auxiliary, other.auxiliary) == ("btad", UNION)
    assert one.cell_key != other.cell_key
    assert one.pixel_auroc != other.pixel_auroc
    write_run_tables(load_params())
    tables = (Path("results/miniature/tables") / "variants.md").read_text(encoding="utf-8")
    assert f": {UNION}; seeds: 111." in tables
    assert price(load_params()).trainings == 3


def test_a_member_is_no_target_and_the_other_set_of_the_protocol_is_for_it(united: Project) -> None:
    united.set_param("retuned", {})
    united.set_param("auxiliary", [UNION])
    united.set_param("protocol", UNION)
    train(UNION)
    refused = [line for line in evaluate().lines() if "leak" in line]
    assert any(
        f"leak: anomalyclip was tuned on {UNION} and cannot be evaluated on btad" in it for it in refused
    )
    assert any("cannot be evaluated on sdd" in line for line in refused)


def test_a_set_that_is_no_union_of_the_run_is_refused(united: Project) -> None:
    with pytest.raises(ParamsError, match=r"unions: 'btad\+endo' is not among them; there are btad\+sdd"):
        Trainer(load_params(), "btad+endo")


def test_a_member_without_masks_is_named(united: Project) -> None:
    with pytest.raises(DataError, match="headct has no masks and cannot be an auxiliary set"):
        auxiliary_set(load_params(), "btad+headct", load_params().towers["main"].image_size)


def test_a_request_brings_the_members(united: Project) -> None:
    asked = Request(datasets=["endo"]).params()
    assert asked["unions"] == [UNION]
    assert {"btad", "sdd", "endo"} <= set(asked["datasets"])


def test_a_union_goes_with_a_member_that_is_not_here(united: Project) -> None:
    (united.folder / "data" / "sdd").rename(united.folder / "elsewhere")
    values = yaml.safe_load(Path("params.yaml").read_text())
    assert leave_out(values, stop=False) == ["sdd"]
    assert values["unions"] == []


def test_dvc_tunes_on_a_union_by_its_name(united: Project) -> None:
    (united.folder / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(command, check=True, capture_output=True)
    found = subprocess.run(["dvc", "stage", "list"], check=True, capture_output=True, text=True)
    assert f"train_union@{UNION}" in found.stdout
