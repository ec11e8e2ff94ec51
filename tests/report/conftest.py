"""One run and its report for all tests of the report."""

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.datasets import prepare_dataset
from pipeline.params import load_params
from pipeline.report import Sources, read_sources, write_report
from tests.conftest import make_project, read_small_params
from tests.report.make import write_run

SYSTEMS = (
    ("clip", "", None),
    ("clip_ac", "", None),
    ("anomalyclip", "", 1),
    ("anomalyclip", "", 111),
    ("anomalyclip", "base", 111),
    ("anomalyclip", "t1", 111),
    ("anomalyclip", "object_aware", 111),
)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with prepared images and made-up results."""
    folder = make_project(tmp_path_factory.mktemp("report") / "project", read_small_params())
    folder.use_samples_as_data()
    with contextlib.chdir(folder.folder):
        params = load_params()
        for dataset in params.datasets:
            prepare_dataset(params, dataset)
        write_run(params, SYSTEMS)
    return folder.folder


@pytest.fixture(scope="session")
def sources(run_folder: Path) -> Sources:
    with contextlib.chdir(run_folder):
        found = read_sources(load_params())
    outcome = replace(found.outcome, scores=run_folder / "results/miniature/scores")
    return replace(found, outcome=outcome, shards=run_folder / found.shards)


@pytest.fixture(scope="session")
def report(sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the report."""
    out = tmp_path_factory.mktemp("out") / "report"
    write_report(sources, out)
    return out
