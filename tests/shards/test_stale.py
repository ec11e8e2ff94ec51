"""What DVC must know to see that prepared data are stale."""

import pytest
import yaml

from tests.project import ROOT

# They say which data sets there are and make records, which are dependencies themselves.
NO_PART_IN_SHARDS = {
    "__init__",
    "guess",
    "guess_folders",
    "guess_lists",
    "record",
    "registry",
    "roles",
    "survey",
}


@pytest.mark.parametrize("stage", ["prepare", "prepare_own"])
def test_a_change_of_a_reader_makes_shards_stale(stage: str) -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    modules = {path.stem for path in (ROOT / "pipeline/catalog").glob("*.py")} - NO_PART_IN_SHARDS
    needed = {f"pipeline/catalog/{module}.py" for module in modules}
    assert needed | {"pipeline/catalog/layouts", "pipeline/shards"} <= set(stages[stage]["do"]["deps"])
