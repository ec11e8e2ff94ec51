"""`prefect.yaml` and `zsad serve` offer the same two deployments."""

from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.utilities.callables import parameter_schema

from pipeline.catalog import names
from pipeline.flows.benchmark import benchmark
from pipeline.flows.request import offered
from pipeline.flows.serving import run_due
from pipeline.params import load_params
from tests.project import ROOT, Project


def test_the_form_offers_what_there_is() -> None:
    fields = parameter_schema(benchmark).model_dump()["properties"]
    offered = {name: field["anyOf"][0] for name, field in fields.items()}
    assert offered["profile"]["enum"] == ["miniature", "paper"]
    assert "anomalyclip" in offered["methods"]["items"]["enum"]
    assert offered["datasets"]["type"] == "array"
    # What a profile or params.yaml has, and nothing that a run would refuse.
    assert offered["datasets"]["items"]["enum"] == list(names())
    assert "af_clip" not in offered["methods"]["items"]["enum"]


def test_params_add_to_what_is_offered(project: Project) -> None:
    project.set_param("methods", {"af_clip": {"layers": [8]}})
    project.set_param("datasets", ["real_iad", "btad", "sdd"])
    methods, datasets = offered()
    assert methods == ("af_clip", *load_params(ROOT / "params.yaml").methods)
    assert datasets[:3] == ("real_iad", "btad", "sdd")
    assert set(datasets[3:]) == {*names()} - {"btad", "sdd"}
    Path("params.yaml").write_text("methods: [")
    assert offered() == (tuple(load_params(ROOT / "params.yaml").methods), names())


def test_both_offer_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Any] = []
    monkeypatch.setattr("prefect.serve", lambda *given, **_: served.extend(given))
    run_due("0 2 * * *")
    written = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    assert written["prefect-version"] == metadata.version("prefect")
    for one, other in zip(written["deployments"], served, strict=True):
        assert (one["name"], one["description"]) == (other.name, other.description)
        assert one["concurrency_limit"]["limit"] == 1
        file, _, flow = one["entrypoint"].partition(":")
        module = import_module(file.removesuffix(".py").replace("/", "."))
        assert getattr(module, flow).name == other.flow_name
    assert [len(one.get("schedules", [])) for one in written["deployments"]] == [1, 0]
