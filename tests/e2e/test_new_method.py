"""A new method is one new file and its prompts: dropped into a project, it is checked, run and tabulated."""

import shutil

import pytest

from tests.project import ROOT, SECONDS, Project

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2 * SECONDS)]

METHOD = '''
"""Anomalies are patches unlike the average patch of their image; nothing is learnt, no word is read."""

from pathlib import Path
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import normalize

from pipeline.clip import Clip, Features, Local, Tap
from pipeline.methods.base import Method, MethodSettings, Scores
from pipeline.methods.resampling import upsample
from pipeline.methods.similarity import to_grid
from pipeline.methods.text_ensemble import ensemble_features


class OddPatchSettings(MethodSettings):
    """Settings of the odd-patch method: `layer` is the block whose patches are compared."""

    layer: int = Field(default=1, ge=1)


class OddPatch(Method):
    """Distance of each patch to the mean patch."""

    name: ClassVar[str] = "odd_patch"
    title: ClassVar[str] = "Odd patch"
    class_aware = False
    Settings: ClassVar[type[MethodSettings]] = OddPatchSettings
    settings: OddPatchSettings

    def __init__(self, settings: OddPatchSettings, clip: Clip, prompts: Path | None = None) -> None:
        super().__init__(settings, clip, prompts)
        self._tap = Local("qk", settings.layer)

    @property
    def taps(self) -> frozenset[Tap]:
        """Patches of one block."""
        return frozenset([self._tap])

    @torch.no_grad()
    def text_features(self, class_name: str) -> Tensor:
        """The contract wants two rows; the scores do not use them."""
        return ensemble_features(self, "single", "object", normalise_each=True)

    @torch.no_grad()
    def score(self, features: Features, text: Tensor) -> Scores:
        """One minus the cosine to the mean patch; an image is as odd as its oddest patch."""
        patches = normalize(features[self._tap], dim=-1)
        mean = normalize(patches.mean(1, keepdim=True), dim=-1)
        odd = 1 - (patches * mean).sum(-1, keepdim=True)
        maps = upsample(to_grid(odd), self.clip.spec.image_size)[:, 0]
        return Scores(odd.amax((1, 2)), maps.contiguous())
'''

PROMPTS = """
states:
  normal: ["{}"]
  abnormal: ["damaged {}"]
templates:
  single: ["{}"]
"""


def test_one_file_and_its_prompts_are_enough(trained: Project) -> None:
    methods = trained.folder / "pipeline" / "methods"
    (methods / "odd_patch.py").write_text(METHOD)
    (methods / "prompts" / "odd_patch.yaml").write_text(PROMPTS)
    shutil.copy(ROOT / "pyproject.toml", trained.folder)
    for part in ("__init__.py", "methods"):
        source = ROOT / "tests" / part
        if source.is_dir():
            shutil.copytree(source, trained.folder / "tests" / part)

    output = trained.run("python", "-m", "pytest", "tests/methods/test_conformance.py", "-k", "odd_patch")
    assert " passed" in output

    trained.set_param("methods", {"odd_patch": {}, "clip": {"layers": [8], "sigma": 1.0}})
    trained.set_param("datasets", ["btad", "sdd"])
    output = trained.run("python", "-m", "stages.evaluate")
    assert "cells: 8 run, 0 reused, 0 failed" in output
    trained.run("python", "-m", "stages.tables")
    table = (trained.folder / "results/miniature/tables/table1.md").read_text()
    assert "odd_patch" in table.lower().replace(" ", "_")
