"""The whole miniature twice: counted by NumPy, and by what counts on a GPU, here on the processor.

Every file of the results must be equal to the byte: rows, scores, examples.
"""

from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from pipeline.execution import counts
from tests.e2e.test_soak import CELLS, SECONDS, whole_project
from tests.execution.running import evaluate, forget

pytestmark = [pytest.mark.e2e, pytest.mark.soak, pytest.mark.timeout(3 * SECONDS)]


def test_every_result_is_the_same_to_the_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = whole_project(tmp_path / "project")
    monkeypatch.chdir(made.folder)
    process = made.start("dvc", "repro", "prepare", "train")
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said
    made.set_param("compute.backend", "serial")
    assert evaluate().counts() == {"run": CELLS, "reused": 0, "failed": 0}
    by_numpy = made.files("results")

    forget(made)
    counted: list[int] = []
    update = counts.DevicePixels.update
    monkeypatch.setattr(counts, "counts_on", lambda _: True)

    def noted(self: counts.DevicePixels, maps: Tensor, *rest: Any) -> None:
        counted.append(len(maps))
        update(self, maps, *rest)

    monkeypatch.setattr(counts.DevicePixels, "update", noted)
    assert evaluate().counts() == {"run": CELLS, "reused": 0, "failed": 0}
    print(f"{sum(counted)} maps counted by either way")  # noqa: T201
    assert sum(counted) == sum(row.n_images or 0 for row in made.rows() if row.pixel_auroc is not None)
    assert made.files("results") == by_numpy
