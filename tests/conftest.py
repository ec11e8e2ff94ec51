"""Shared fixtures: a cut-down project in a temporary folder, made of the real code and the real samples."""

import compileall
import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import settings

from pipeline.files import only_one
from tests.project import ROOT, Project
from tests.reach import Reach

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from pipeline.flows.prefect_server import Server
    from tests.clip.towers import Tower

sys.dont_write_bytecode = False  # else each worker of each session compiles all tests again
settings.register_profile("any machine", deadline=None)  # a busy one is no failure
settings.load_profile("any machine")

# Two auxiliary sets, an image-only and a pixel-only set: every kind of cell, in 6 subsets.
DATASETS = ("btad", "sdd", "headct", "endo")


def read_small_params() -> dict[str, Any]:
    """params.yaml, cut down to `DATASETS`, one tower, three methods and little training.

    Whatever the last `dvc exp run -S` wrote there, of own data sets, builds, seeds or variants, has no part.
    """
    values: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
    values |= {"own": [], "builds": {}, "seeds": [111], "variants": {}}
    values["datasets"] = list(DATASETS)
    values["auxiliaries"] = ["btad", "sdd"]
    values["auxiliary"], values["protocol"] = ["btad", "sdd"], "btad"
    values["retuned"] = {}
    values["towers"] = {"main": values["towers"]["main"]}
    values["methods"] = {name: values["methods"][name] for name in ("clip", "clip_ac", "anomalyclip")}
    values["methods"]["anomalyclip"]["training"] = {"epochs": 2}
    values["compute"]["backend"] = "serial"
    return values


def make_project(folder: Path, params: dict[str, Any]) -> Project:
    """The code, `params` and the samples of `DATASETS` in a new folder."""
    for part in ("pipeline", "stages"):
        compileall.compile_dir(ROOT / part, quiet=2)  # what is compiled already is only looked at
        shutil.copytree(ROOT / part, folder / part)
    shutil.copytree(ROOT / "datasets", folder / "datasets")
    for dataset in DATASETS:
        shutil.copytree(ROOT / "samples" / dataset, folder / "samples" / dataset)
    made = Project(folder)
    made.write_params(params)
    return made


_LONG = ("e2e", "ray", "prefect")
_LONGEST = ("dvc_repro", "benchmark", "server", "nothing_gets_out", "sweep", "closed", "serving", "ray")


def _turn(item: pytest.Item) -> int:
    name = item.path.stem.removeprefix("test_")
    if not any(item.get_closest_marker(mark) for mark in _LONG):
        return len(_LONGEST) + 1
    return _LONGEST.index(name) if name in _LONGEST else len(_LONGEST)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long goes first, the longest of all at the start.

    A worker that has nothing left takes tests from the end of another's, but not its last two: these are to
    be short, or it waits for them.
    """
    items.sort(key=_turn)


@pytest.fixture(scope="session")
def reach() -> Reach:
    """What this repository can run; reading its syntax trees takes a second."""
    return Reach()


@pytest.fixture(scope="session")
def tower(tmp_path_factory: pytest.TempPathFactory) -> "Tower":
    """The small CLIP that most tests of methods and training read; nothing changes it."""
    from tests.clip.towers import make_tower

    return make_tower(tmp_path_factory.mktemp("tower"))


@pytest.fixture
def small_params() -> dict[str, Any]:
    """See `read_small_params`."""
    return read_small_params()


@pytest.fixture
def project(
    tmp_path: Path, small_params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    """A project folder with `DATASETS` under `samples/` and `data/`; the current directory of the test."""
    made = make_project(tmp_path / "project", small_params)
    monkeypatch.chdir(made.folder)
    yield made
    made.stop()


def _once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A project that all workers of this session share, to copy from; `make` gets its new folder."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with only_one(shared / f"{name}.lock", "another worker makes it", wait=lambda _: None):
        if not (shared / name).exists():
            make(shared / f"{name}.new")
            (shared / f"{name}.new").rename(shared / name)
    return shared / name


def _train(folder: Path) -> None:
    from pipeline.datasets import prepare_dataset
    from pipeline.execution.training import Trainer
    from pipeline.params import load_params

    make_project(folder, read_small_params()).use_samples_as_data()
    with contextlib.chdir(folder):
        params = load_params()
        for dataset in params.datasets:
            prepare_dataset(params, dataset)
        for auxiliary in params.auxiliaries:
            trainer = Trainer(params, auxiliary)
            for _, tune in trainer.jobs():
                tune()
            trainer.close()


@pytest.fixture(scope="session")
def trained_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose shards and weights are made, for `trained` to copy."""
    return _once(tmp_path_factory, "trained", _train)


def _copied(template: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A copy of a template below `folder`, as the current directory until the test ends."""
    shutil.copytree(template, folder / "project")
    made = Project(folder / "project")
    monkeypatch.chdir(made.folder)
    yield made
    made.stop()


@pytest.fixture
def trained(trained_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project that is ready to evaluate; the current directory of the test."""
    yield from _copied(trained_template, tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def evaluated_template(trained_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`trained_template` with every cell, for `evaluated` to copy."""
    from tests.execution.running import evaluate

    def make(folder: Path) -> None:
        shutil.copytree(trained_template, folder)
        with contextlib.chdir(folder):
            assert evaluate().complete

    return _once(tmp_path_factory, "evaluated", make)


@pytest.fixture(scope="session")
def undisturbed_plain(trained_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after an undisturbed serial run of `use_plain_methods`; to look at, not to change."""
    from tests.execution.running import evaluate, use_plain_methods

    def make(folder: Path) -> None:
        shutil.copytree(trained_template, folder)
        use_plain_methods(Project(folder))
        with contextlib.chdir(folder):
            assert evaluate().complete

    return Project(_once(tmp_path_factory, "plain", make))


@pytest.fixture(scope="session")
def plain_results(undisturbed_plain: Project) -> dict[str, bytes]:
    """The files below `results` of `undisturbed_plain`."""
    return undisturbed_plain.files("results")


@pytest.fixture
def evaluated(evaluated_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project with the cells and results of an undisturbed run; the current directory of the test."""
    yield from _copied(evaluated_template, tmp_path, monkeypatch)


def _serve(home: Path) -> "Server":
    from pipeline.flows.prefect_server import Server, listen  # late, as it sets Prefect's environment

    settings = {"PREFECT_HOME": str(home), "PREFECT_UI_ENABLED": "0"}
    server = Server(listen(), log=home / "server.log", settings=settings)
    server.wait_until_up()
    return server


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prefect's folder with an empty database, which takes longest of all that a server does as it starts."""
    return _once(tmp_path_factory, "prefect", lambda home: _serve(home).stop(20))


@pytest.fixture(scope="session")
def _served(prefect_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    home = tmp_path_factory.mktemp("served") / "prefect"
    shutil.copytree(prefect_home, home)
    server = _serve(home)
    yield server.for_clients
    server.stop(5)


@pytest.fixture
def served(_served: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A Prefect server for the flows of this test, so that none starts one of its own."""
    for name, value in _served.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Chromium without a network of its own; skipped where it or playwright is not installed."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield started
        started.close()
