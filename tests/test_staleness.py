"""What makes a stage stale, and a cell's key another one, is what can move its numbers, and nothing else.

What can move them is what the stage can run (`tests.reach`) less what moves none of its outputs: the lists
below say why. `dvc.yaml` and the sources in a cell's key are held against it, both ways.
"""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.execution import tasks
from tests.project import ROOT
from tests.reach import WHOLE, Reach

STAGES = ("prepare", "prepare_own", "train", "train_union", "evaluate", "tables", "report")
MOVES_NOTHING = {
    "stages/entry.py": "how a stage ends",
    "pipeline/errors.py": "what messages say, and what they hide",
    "pipeline/files.py": "puts on disk what its callers made, and names it by its content",
    "pipeline/flows/*": "shows the work and keeps it going; the work itself is in execution",
    "pipeline/process.py": "how many groups run at a time, and how a process ends",
    "pipeline/progress.py": "shows how far the work is",
    "pipeline/execution/backends.py": "where a group runs",
    "pipeline/execution/log.py": "what happened, line by line",
    "pipeline/execution/cluster.py": "where a group runs",
    "pipeline/execution/ranges.py": "which images a worker has at a time",
    "pipeline/execution/ray.py": "where a group runs",
    "pipeline/execution/retries.py": "whether it is tried again",
    "pipeline/execution/store.py": "keeps finished cells under their keys",
    "pipeline/execution/usage.py": "seconds and memory",
    "pipeline/execution/worker.py": "where a group runs",
    "pipeline/results/provenance.py": "run.json, which is no output of DVC",
}
ONLY_IN_PREPARE = {
    "pipeline/catalog/images.py": "images are decoded in prepare",
    "pipeline/catalog/layouts/*": "files are listed in prepare; a record is read with its layout",
    "pipeline/catalog/masks.py": "masks are decoded in prepare",
    "pipeline/catalog/samples.py": "files are listed in prepare",
    "pipeline/catalog/tree.py": "files are listed in prepare",
}
IMAGE_SIZE = {"pipeline/miniature/tiny_clip/*": "of a tower only the image size is asked for"}
IN_TRAIN = {
    "pipeline/catalog/*": "only asked whether the names under `retuned` are known",
    "pipeline/shards/manifest.py": "which subsets there are; shards/ itself is a dependency",
}
IN_PREPARE = IMAGE_SIZE | {"pipeline/cells.py": "asked for the members of what is tuned on"}
MOVES_NOTHING_IN: dict[str, dict[str, str]] = {
    "prepare": IN_PREPARE,
    "prepare_own": IN_PREPARE
    | {"pipeline/catalog/records/*": "the record lies in datasets/; shipped ones are asked for their names"},
    "train": IN_TRAIN,
    "train_union": IN_TRAIN,
    "evaluate": ONLY_IN_PREPARE,
    "tables": {path: reason for path, reason in ONLY_IN_PREPARE.items() if "shards" not in path},
    "report": ONLY_IN_PREPARE,
}
MOVES_NOTHING_IN_A_CELL = {
    "pipeline/cells.py": "names a cell; the names are in the key",
    "pipeline/execution/tasks.py": "what a cell stands on, and each part of it is in the key by its value",
    "pipeline/plan/planner.py": "names a cell; the names are in the key",
    "pipeline/results/records.py": "the columns that numbers are put into; the store has their version",
    "pipeline/results/schema.py": "likewise",
    "pipeline/shards/manifest.py": "where a subset lies; the digest of its content is in the key",
}


@pytest.fixture(scope="module")
def dvc() -> dict[str, Any]:
    stages: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    return {name: stage.get("do", stage) for name, stage in stages.items()}


def files(patterns: Iterable[str]) -> Iterator[str]:
    """The files of this repository under paths of dvc.yaml or of `_SHARED_SOURCES`."""
    for pattern in patterns:
        found = list(ROOT.glob(pattern.replace("${item}", "*")))
        assert found, f"{pattern}: no such file"
        for path in found:
            inside = path.rglob("*") if path.is_dir() else [path]
            yield from (it.relative_to(ROOT).as_posix() for it in inside if it.suffix not in ("", ".pyc"))


def moving(ran: set[str], without: Iterable[str]) -> set[str]:
    return {path for path in ran if not any(fnmatchcase(path, pattern) for pattern in without)}


def values_below(value: Any) -> Iterator[str]:
    for inner in value.values() if isinstance(value, dict) else [value]:
        yield from values_below(inner) if isinstance(inner, dict) else [str(inner)]


def expected(reach: Reach, name: str, stage: dict[str, Any]) -> set[str]:
    """What must be among the deps of a stage: what it can run, and the files that its params name."""
    file = name.partition("_")[0]
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    named = {text for key in stage.get("params", ()) for text in values_below(params[key])}
    without = MOVES_NOTHING | MOVES_NOTHING_IN[name]
    ran = reach.files([(f"stages.{file}", "run")]) | {it for it in named if (ROOT / it).is_file()}
    return set(moving(ran, without))


def off(wanted: set[str], deps: Iterable[str]) -> tuple[set[str], set[str]]:
    """What is missing among paths, and what is too much: not where a package only hands on names."""
    found = set(files(dep for dep in deps if dep.startswith(("pipeline/", "stages/"))))
    handing_on = {path for path in found if Path(path).name in ("__init__.py", "README.md")}
    return wanted - found, found - wanted - handing_on


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_what_can_move_its_outputs(reach: Reach, dvc: dict[str, Any], name: str) -> None:
    missing, too_much = off(expected(reach, name, dvc[name]), dvc[name]["deps"])
    assert not missing, f"can move the outputs of {name} and is not in its deps"
    assert not too_much, f"is in the deps of {name} and moves none of its outputs"


@pytest.mark.parametrize("name", STAGES)
def test_no_line_of_its_deps_can_go(reach: Reach, dvc: dict[str, Any], name: str) -> None:
    wanted, deps = expected(reach, name, dvc[name]), dvc[name]["deps"]
    for dep in (dep for dep in deps if dep.startswith(("pipeline/", "stages/"))):
        missing, _ = off(wanted, [other for other in deps if other != dep])
        assert missing, dep


def test_the_key_of_a_cell_has_what_can_move_its_numbers(reach: Reach) -> None:
    """Beside the files of its method, which `pipeline.methods.source_files` adds."""
    ran = {path for path in reach.files([("pipeline.execution.scoring", WHOLE)]) if "/methods/" not in path}
    wanted = moving(ran, MOVES_NOTHING | MOVES_NOTHING_IN_A_CELL)
    assert off(wanted, [f"pipeline/{part}" for part in tasks._SHARED_SOURCES]) == (set(), set())


def test_what_moves_nothing_is_there_and_can_be_run(reach: Reach, dvc: dict[str, Any]) -> None:
    """A reason for a file that went is taken out."""
    can_run = {name: reach.files([(f"stages.{name.partition('_')[0]}", "run")]) for name in STAGES}
    lists = [(pattern, set().union(*can_run.values())) for pattern in MOVES_NOTHING]
    lists += [(pattern, can_run[name]) for name in STAGES for pattern in MOVES_NOTHING_IN[name]]
    lists += [
        (pattern, reach.files([("pipeline.execution.scoring", WHOLE)])) for pattern in MOVES_NOTHING_IN_A_CELL
    ]
    unused = {pattern for pattern, ran in lists if not any(fnmatchcase(path, pattern) for path in ran)}
    assert unused == set(IMAGE_SIZE)  # a file of params
