"""`prefect.yaml` and `zsad serve` offer the same two deployments."""

from importlib import import_module, metadata
from typing import Any

import pytest
import yaml
from prefect.utilities.callables import parameter_schema

from pipeline.flows.benchmark import benchmark
from pipeline.flows.serving import run_due
from tests.project import ROOT


def test_the_form_offers_what_there_is() -> None:
    fields = parameter_schema(benchmark).model_dump()["properties"]
    offered = {name: field["anyOf"][0] for name, field in fields.items()}
    assert offered["profile"]["enum"] == ["miniature", "paper"]
    assert "anomalyclip" in offered["methods"]["items"]["enum"]
    assert offered["datasets"]["type"] == "array"
    assert "mvtec" in offered["datasets"]["items"]["enum"]


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
