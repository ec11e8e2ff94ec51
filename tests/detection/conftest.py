"""A small tower and CLIP on it, made once for the tests of a module."""

import pytest

from pipeline.detection.detector import Detector, GivenTower, open_detector
from tests.execution.folder_files import write_tower


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> GivenTower:
    return write_tower(tmp_path_factory.mktemp("tower"))


@pytest.fixture(scope="module")
def clip_detector(tower: GivenTower) -> Detector:
    return open_detector("clip", None, tower=tower, settings={"layers": [6]})
