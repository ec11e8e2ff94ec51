"""`dvc repro` in a temporary project: all stages, nothing twice, what a change costs, what git sees of it."""

import re
import signal
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.project import SECONDS, Project

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2 * SECONDS)]

CELLS = (3 + 1 + 1 + 1) * 3


def test_repro_makes_tables_then_nothing_then_what_a_change_costs(project: Project, served: None) -> None:
    project.init_dvc()
    project.run("git", "add", "-A")
    output = project.run("dvc", "repro")
    assert [line for line in project.run("git", "status", "-s").splitlines() if line[1] != " "] == [
        "?? dvc.lock"
    ]
    assert f"cells: {CELLS} run, 0 reused, 0 failed" in output
    table = (project.folder / "results/miniature/tables/table1.md").read_text()
    assert "BTAD" in table
    assert "MINIATURE" in table
    assert (project.folder / "results/miniature/report/report.html").is_file()
    assert "up to date" in project.run("dvc", "status")

    started = time.monotonic()
    assert "Running stage" not in project.run("dvc", "repro")
    assert time.monotonic() - started < 20

    image = next((project.folder / "samples/endo").rglob("images/*"))
    with Image.open(image) as picture:
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(image)
    output = project.run("dvc", "repro")
    assert re.findall(r"Running stage '(\S+)'", output) == ["prepare@endo", "evaluate", "tables", "report"]
    assert f"cells: 3 run, {CELLS - 3} reused, 0 failed" in output

    project.set_param("datasets", [name for name in project.params()["datasets"] if name != "endo"])
    output = project.run("dvc", "repro", "evaluate")
    assert "evaluate: results/miniature loses the results of endo, which params.yaml does not name" in output
    assert output.index("loses the results") < output.index("cells: 0 run")


def test_a_failed_cell_gives_one_message_and_exit_code_1(evaluated: Project, served: None) -> None:
    evaluated.set_param("methods.wincli", {})
    output = evaluated.run("python", "-m", "stages.evaluate", code=1)
    assert output.count("unknown method 'wincli'") == 1
    assert f"cells: 0 run, {CELLS} reused" in output
    assert "Traceback" not in output


def test_a_bad_key_gives_one_message_and_exit_code_1(trained: Project) -> None:
    trained.set_param("compute.batch", 0)
    output = trained.run("python", "-m", "stages.evaluate", code=1)
    assert (
        output.strip()
        == "error: params.yaml: compute.batch: a whole number from 1 to 65536 is meant, or auto"
    )


def test_a_killed_driver_loses_nothing_that_was_finished(trained: Project, served: None) -> None:
    process = trained.start("python", "-m", "stages.evaluate")
    deadline = time.monotonic() + SECONDS
    while len(list(Path(".zsad/cells").rglob("*.parquet"))) < CELLS // 3:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = len(list(Path(".zsad/cells").rglob("*.parquet")))
    assert kept < CELLS
    output = trained.run("python", "-m", "stages.evaluate")
    assert f"cells: {CELLS - kept} run, {kept} reused, 0 failed" in output
