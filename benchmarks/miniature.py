"""A cut-down miniature project in a temporary folder: prepared shards, learnt methods as before training.

Six methods on six subsets, with and without masks, with and without normal images.
"""

import contextlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from benchmarks.subjects import ROOT
from pipeline import methods
from pipeline.clip import load_clip
from pipeline.clip.spec import Precision
from pipeline.datasets import prepare_dataset
from pipeline.execution.run import open_run
from pipeline.execution.store import CellStore
from pipeline.execution.systems import resolve_systems, weights_name
from pipeline.execution.tasks import GroupTask, tower_spec
from pipeline.methods.base import LearntMethod
from pipeline.params import Params, parse_params
from pipeline.training import save_checkpoint

_DATASETS = ("btad", "sdd", "headct", "endo")


def miniature_params(precision: Precision = "float32") -> Params:
    """The committed params on few data sets."""
    values: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    values |= {
        "data_root": str(ROOT / "samples"),
        "counts": str(ROOT / values["counts"]),
        "datasets": list(_DATASETS),
        "auxiliaries": ["btad", "sdd"],
        "auxiliary": ["btad", "sdd"],
        "protocol": "btad",
        "retuned": {},
    }
    for tower in values["towers"].values():
        tower.update({key: str(ROOT / tower[key]) for key in ("model", "weights")}, precision=precision)
    return parse_params(values)


@contextlib.contextmanager
def project() -> Iterator[None]:
    """A temporary current directory with shards and weights."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        params = miniature_params()
        with contextlib.redirect_stdout(io.StringIO()):  # its progress
            for dataset in params.datasets:
                prepare_dataset(params, dataset)
        for item in resolve_systems(params):
            clip = load_clip(tower_spec(params, item.tower))
            method = methods.build(item.system.method, item.settings, clip)
            if isinstance(method, LearntMethod):
                for auxiliary in params.auxiliaries:
                    for seed in params.seeds:
                        save_checkpoint(
                            params.weights / auxiliary / weights_name(item.system, seed), method, {}
                        )
        yield


def tasks(params: Params) -> list[GroupTask]:
    """All groups; to be called inside `project`."""
    run = open_run(params, CellStore(Path("no cells")))
    if run.refused:
        raise SystemExit(f"refused: {run.refused[0][1]}")
    return run.tasks
