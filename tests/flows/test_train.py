"""The train stage: an entry that cannot be tuned costs its cells, not those of the others."""

import json

import pytest

from tests.project import SECONDS, Project

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2 * SECONDS)]


def test_a_diverging_variant_is_written_down_and_the_others_are_tuned(trained: Project, served: None) -> None:
    base = trained.folder / "pipeline" / "methods" / "base.py"  # within its bounds, no rate diverges
    base.write_text(base.read_text().replace("Field(gt=0, le=10)", "Field(gt=0)"))
    trained.set_param("variants", {"anomalyclip": {"hot": {"training": {"lr": 1e38}}}})
    weights = trained.folder / "weights" / "miniature" / "btad"
    before = (weights / "anomalyclip-seed111.safetensors").read_bytes()
    output = trained.run("python", "-m", "stages.train", "btad")
    failed = json.loads((weights / "status.json").read_text())["failed"]
    assert failed.keys() == {"anomalyclip.hot-seed111.safetensors"}
    assert "is not finite: lower the learning rate" in failed["anomalyclip.hot-seed111.safetensors"]
    assert "anomalyclip.hot-seed111.safetensors not written: the loss" in output
    assert (weights / "anomalyclip-seed111.safetensors").read_bytes() == before
    assert not (weights / "anomalyclip.hot-seed111.safetensors").exists()
