"""Text features are encoded once for all workers and runs, and a number stands on the weights of its key."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from pipeline.execution.backends import SerialBackend
from pipeline.execution.run import open_run
from pipeline.execution.store import CellStore
from pipeline.methods.anomalyclip import AnomalyClip
from pipeline.methods.base import Method
from pipeline.methods.clip import ClipMethod
from pipeline.params import load_params
from tests.execution.running import evaluate, train
from tests.project import Project

CELLS = 6 * 3


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Method and class of every text side that is encoded in this process."""
    calls: list[tuple[str, str]] = []
    for kind in (ClipMethod, AnomalyClip):

        def encode(method: Method, name: str, right: Any = kind.text_features) -> Tensor:
            calls.append((method.name, name))
            text: Tensor = right(method, name)
            return text

        monkeypatch.setattr(kind, "text_features", encode)
    return calls


def test_text_is_encoded_once_for_all_groups_and_runs(
    trained: Project, encoded: list[tuple[str, str]]
) -> None:
    evaluate()
    before = trained.files("results")
    assert len(encoded) == len(set(encoded))
    aware = {name for method, name in encoded if method != "anomalyclip"}
    assert len(aware) > 1
    assert Counter(method for method, _ in encoded) == {
        "clip": len(aware),
        "clip_ac": len(aware),
        "anomalyclip": 2,  # what was learnt on either auxiliary set; no class enters
    }
    encoded.clear()
    for folder in (".zsad/cells", "results"):
        shutil.rmtree(folder)
    assert evaluate().run == CELLS
    assert encoded == []
    assert trained.files("results") == before


def test_damaged_text_is_encoded_again(evaluated: Project, encoded: list[tuple[str, str]]) -> None:
    before = evaluated.files("results")
    for folder in (".zsad/cells", "results"):
        shutil.rmtree(folder)
    for path in Path(".zsad/texts").rglob("*.f32"):
        content = bytearray(path.read_bytes())
        content[40] ^= 1
        path.write_bytes(content)
    evaluate()
    assert encoded
    assert evaluated.files("results") == before


def test_text_of_other_weights_is_not_taken(evaluated: Project, encoded: list[tuple[str, str]]) -> None:
    evaluated.set_param("methods.anomalyclip.training.epochs", 3)
    for auxiliary in ("btad", "sdd"):
        train(auxiliary)
    evaluate()
    assert Counter(method for method, _ in encoded) == {"anomalyclip": 2}
    before = evaluated.files("results")
    shutil.rmtree(".zsad")
    evaluate()
    assert evaluated.files("results") == before


def test_weights_that_are_replaced_during_a_run_give_no_number(
    trained: Project, evaluated_template: Path
) -> None:
    run, weights = open_run(load_params(), CellStore()), Path("weights/miniature")
    before = (weights / "btad/anomalyclip-seed111.safetensors").read_bytes()
    shutil.copy(
        weights / "sdd/anomalyclip-seed111.safetensors", weights / "btad/anomalyclip-seed111.safetensors"
    )
    backend = SerialBackend()
    for task in run.tasks:
        run.do(task, backend)
    summary = run.finish()
    assert {name for name, _ in summary.failures} == {
        f"anomalyclip on {place}, seed 111"
        for place in ("sdd/electrical commutators", "headct/brain", "endo/colon")
    }
    assert all("its weights were replaced during the run" in reason for _, reason in summary.failures)
    (weights / "btad/anomalyclip-seed111.safetensors").write_bytes(before)
    assert evaluate().complete
    assert trained.files("results") == Project(evaluated_template).files("results")
