"""Faults injected into the real commands: each ends with undisturbed numbers, or says what is missing."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.execution.store import CellStore
from pipeline.results import ResultsError
from tests.execution.running import CELLS, evaluate, use_plain_methods
from tests.project import SECONDS, Project, read_log

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2 * SECONDS)]

EVALUATE = ("python", "-m", "stages.evaluate")


def results(project: Project) -> dict[str, bytes]:
    """The result files; `run.json` tells of the run and not of the results."""
    files = project.files("results/miniature")  # may be a link, which is not followed from above
    return {name: content for name, content in files.items() if name != "run.json"}


@pytest.fixture
def plain(trained: Project) -> Project:
    """A project ready to evaluate two methods that learn nothing."""
    use_plain_methods(trained)
    return trained


@pytest.fixture
def undisturbed(plain_results: dict[str, bytes]) -> dict[str, bytes]:
    """The result files of an undisturbed run."""
    return {name.removeprefix("miniature/"): content for name, content in plain_results.items()}


def wait_for_cells(process: subprocess.Popen[str], count: int) -> None:
    deadline = time.monotonic() + SECONDS
    while len(list(Path(".zsad/cells").rglob("*.parquet"))) < count:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with little room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here: it takes root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_under_the_cell_store_costs_no_number(
    plain: Project, undisturbed: dict[str, bytes], small_disk: Path
) -> None:
    Path(".zsad").mkdir(exist_ok=True)
    (small_disk / "ballast").write_bytes(bytes(44 * 1024))
    (small_disk / "cells").mkdir()
    Path(".zsad/cells").symlink_to(small_disk / "cells")
    summary = evaluate()
    assert summary.counts() == {"run": CELLS, "reused": 0, "failed": 0}
    assert results(plain) == undisturbed
    kept, damaged, leftovers = CellStore().audit()
    lost = [note for note in summary.notes if "No space left on device" in note]
    assert 0 < kept < CELLS
    assert len(lost) == CELLS - kept
    assert damaged == leftovers == []


def test_a_full_disk_under_the_results_says_so_and_changes_nothing(
    plain: Project, undisturbed: dict[str, bytes], small_disk: Path
) -> None:
    Path("results").mkdir()
    Path("results/miniature").symlink_to(small_disk)
    (small_disk / "ballast").write_bytes(bytes(52 * 1024))
    with pytest.raises(
        ResultsError, match=r"miniature.*: No space left on device; make room, .*; finished cells are kept"
    ):
        evaluate()
    assert [path.name for path in small_disk.rglob("*") if path.is_file()] == ["ballast"]
    (small_disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    assert evaluate().counts() == {"run": 0, "reused": CELLS, "failed": 0}
    assert results(plain) == undisturbed


@pytest.mark.soak
def test_two_runs_started_at_once(plain: Project, undisturbed: dict[str, bytes]) -> None:
    both = [plain.start(*EVALUATE) for _ in range(2)]
    ends = [(process.communicate(timeout=SECONDS)[0], process.returncode) for process in both]
    assert min(code for _, code in ends) == 0, ends
    for output, code in ends:  # the second is refused, unless it was so late that all was there
        assert ("complete" if code == 0 else "error: another evaluation of the miniature profile") in output
        assert "Traceback" not in output
    assert CellStore().audit() == (CELLS, [], [])
    assert results(plain) == undisturbed


def test_an_interrupt_keeps_what_is_finished(
    plain: Project, undisturbed: dict[str, bytes], served: None
) -> None:
    plain.set_param("compute.backend", "ray")
    process = plain.start(*EVALUATE)
    wait_for_cells(process, 2)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    started = time.monotonic()
    output, _ = process.communicate(timeout=SECONDS)
    assert time.monotonic() - started < 30
    assert process.returncode != 0
    assert "interrupted: what was finished is kept" in output
    kept, damaged, leftovers = CellStore().audit()
    assert kept >= 2
    assert damaged == leftovers == []
    (log,) = Path(".zsad/runs").glob("*.jsonl")
    assert {"run_stopped", "run_finished"} & {line["event"] for line in read_log(log)}
    plain.set_param("compute.backend", "serial")
    assert evaluate().counts() == {"run": CELLS - kept, "reused": kept, "failed": 0}
    assert results(plain) == undisturbed


@pytest.mark.soak
@pytest.mark.ray
@pytest.mark.parametrize("whom", ["all", "dvc"])
def test_a_hang_up_ends_all_and_keeps_what_is_finished(
    plain: Project, undisturbed: dict[str, bytes], whom: str
) -> None:
    """A terminal that is closed tells everybody in it; a logout may tell DVC alone."""
    plain.set_param("compute.backend", "ray")
    for name in ("data", "shards", "weights"):
        shutil.rmtree(plain.folder / name, ignore_errors=True)
    plain.init_dvc()
    process = plain.start("dvc", "repro", "evaluate")
    wait_for_cells(process, 2)
    children = psutil.Process(process.pid).children(recursive=True)
    (os.killpg if whom == "all" else os.kill)(process.pid, signal.SIGHUP)
    process.communicate(timeout=SECONDS)
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive, alive
    kept, damaged, leftovers = CellStore().audit()
    assert (damaged, leftovers) == ([], [])
    output = plain.run("dvc", "repro", "evaluate")
    assert f"cells: {CELLS - kept} run, {kept} reused, 0 failed: complete" in output
    assert results(plain) == undisturbed


@pytest.mark.soak
@pytest.mark.ray
def test_a_run_that_loses_rays_control_service_ends_soon(
    plain: Project, undisturbed: dict[str, bytes]
) -> None:
    plain.set_param("compute.backend", "ray")
    process = plain.start(*EVALUATE)
    wait_for_cells(process, 2)
    children = psutil.Process(process.pid).children(recursive=True)
    (service,) = (child for child in children if "gcs_server" in child.name())
    service.kill()
    output, _ = process.communicate(timeout=40)  # a minute, and on, as Ray has it
    assert process.returncode != 0
    assert "Failed to connect to GCS" in output
    assert CellStore().audit()[1] == []
    assert "0 failed: complete" in plain.run(*EVALUATE)
    assert results(plain) == undisturbed


def test_no_clock_is_trusted(plain: Project, undisturbed: dict[str, bytes]) -> None:
    assert evaluate().run == CELLS
    victims = sorted(Path(".zsad/cells").rglob("*.parquet"))[:3]
    for path in victims:
        path.unlink()
    for number, path in enumerate(sorted(Path().rglob("*"))):
        moment = 2**31 if number % 2 else 1  # 2038 and 1970, side by side
        os.utime(path, (moment, moment), follow_symlinks=False)
    assert evaluate().counts() == {"run": 3, "reused": CELLS - 3, "failed": 0}
    assert results(plain) == undisturbed


@pytest.mark.soak
def test_stop_and_restart_at_every_stage_boundary(project: Project) -> None:
    use_plain_methods(project)
    project.init_dvc()
    project.run("dvc", "repro")
    whole = results(project)
    for part in ("shards", "weights", "results", ".zsad"):
        shutil.rmtree(project.folder / part)
    for path in (project.folder / "dvc.lock", project.folder / "data"):
        path.unlink() if path.is_file() else shutil.rmtree(path)
    shutil.rmtree(project.folder / ".dvc/cache")
    for boundary in ("Importing", "prepare@btad", "prepare@endo", "train@", "evaluate", "tables"):
        process = project.start("dvc", "repro")
        assert process.stdout is not None
        for line in process.stdout:
            if boundary in line:
                break
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=SECONDS)
    project.run("dvc", "repro")
    assert "up to date" in project.run("dvc", "status")
    assert results(project) == whole
