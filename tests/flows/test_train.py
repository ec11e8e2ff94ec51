"""The train stage: an entry that cannot be tuned costs its cells, not those of the others."""

import errno
import json

import pytest

from pipeline.execution.training import Trainer
from pipeline.params import load_params
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


def test_a_fault_of_the_machine_is_not_written_down(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage fails and runs again; a reason beside the weights would stand there for ever."""

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error", "images-112.npy")

    monkeypatch.setattr("pipeline.execution.training.verify_subset", fail)
    trainer = Trainer(load_params(), "btad")
    with pytest.raises(OSError, match="Input/output error"):
        list(trainer.jobs())
    assert trainer.failed == {}
    assert not (trained.folder / "weights/miniature/btad/status.json").exists()
