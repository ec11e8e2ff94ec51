"""`zsad serve` as people use it: a schedule that fires, the pages, cancel, pause, and a server that dies."""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.flows.served import (
    CHROMIUM,
    CHROMIUM_ARGUMENTS,
    SECONDS,
    Served,
    slow_project,
    start_serving,
    wait_for,
    watch_requests,
)
from tests.project import Project
from tests.sockets import beyond_loopback, listening

pytestmark = [pytest.mark.prefect, pytest.mark.e2e, pytest.mark.soak, pytest.mark.timeout(3 * SECONDS)]

CELLS = 8
SECRET = "hunter2-in-the-web-hook"  # noqa: S105 - to be looked for where it must not be


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    project = slow_project(tmp_path_factory.mktemp("served") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(project.folder), os.environ.get("PYTHONPATH", "")]))
        patch.setenv("PREFECT_RUNNER_POLL_FREQUENCY", "1")
        patch.setenv("ZSAD_NOTIFY", f"http://127.0.0.1:9/{SECRET}")
        running = start_serving(project, "--cron", "* * * * * */20")
        yield running
        running.stop()


@pytest.fixture(scope="module")
def nightly(served: Served) -> str:
    """The first run that the schedule started, finished; the schedule is paused then."""

    def finished() -> str | None:
        runs = served.post("/flow_runs/filter", {"deployments": {"name": {"any_": ["nightly"]}}})
        ended = [run["id"] for run in runs if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED")]
        return ended[0] if ended else None

    run = wait_for(finished)
    deployment = served.get("/deployments/name/benchmark/nightly")
    served.post(f"/deployments/{deployment['id']}/pause_deployment")
    wait_for(lambda: not served.working())
    return run


@pytest.fixture(scope="module")
def undisturbed(served: Served, nightly: str) -> dict[str, bytes]:
    """Results of the run that nobody touched."""
    return served.project.files("results")


def forget(project: Project) -> None:
    """Finished cells and results are gone, shards and weights stay; DVC has never seen these params."""
    project.run("rm", "-rf", ".zsad/cells", "results", ".dvc/cache/runs")
    project.set_param("datasets", list(reversed(project.params()["datasets"])))


def start_and_meet(served: Served) -> str:
    """A run on demand that has finished its first cell and is at work on Ray."""
    wait_for(lambda: not served.working())
    forget(served.project)
    run = served.start_run()
    wait_for(lambda: 0 < served.cells() < CELLS)
    assert any("ray::" in line for line in served.working())
    return run


def states_below(served: Served, run: str) -> dict[str, str]:
    """Names of the tasks and sub-runs of a run, and what their pages say of them."""
    found: dict[str, str] = {}
    runs = [run]
    while runs:
        tasks = served.post("/task_runs/filter", {"flow_runs": {"id": {"any_": runs}}})
        ids = [task["id"] for task in tasks]
        inner = served.post("/flow_runs/filter", {"flow_runs": {"parent_task_run_id": {"any_": ids}}})
        found |= {each["name"]: each["state_name"] for each in (*tasks, *(inner if ids else ()))}
        runs = [each["id"] for each in inner] if ids else []
    return found


def test_a_scheduled_run_ends_with_its_tables_on_the_page(
    served: Served, nightly: str, tmp_path: Path
) -> None:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=list(CHROMIUM_ARGUMENTS))
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        outside = watch_requests(page, served.address, "file:", "data:", f"blob:{served.address}")
        page.goto((served.project.folder / ".prefect" / "open.html").as_uri())
        page.wait_for_url(re.compile("/dashboard"))
        page.goto(page.url.replace("dashboard", "runs"))  # of the pages that this Prefect opens first
        page.get_by_role("link", name=re.compile(r"^nightly miniature \d{4}-\d\d-\d\d$")).last.click()
        page.get_by_text("Completed").first.wait_for()
        page.get_by_text("Subflow Runs", exact=True).first.click()
        page.get_by_role("link", name="evaluate miniature").first.wait_for()
        page.get_by_role("tab", name="Artifacts").or_(page.get_by_text("Artifacts", exact=True)).first.click()
        page.get_by_text("miniature-table1").first.click()
        page.get_by_role("link", name=re.compile("^[0-9a-f]{8}$")).first.click()  # its one version
        page.get_by_role("cell", name="BTAD").first.wait_for()
        page.screenshot(path=str(tmp_path / "table.png"))
        assert "MINIATURE PROFILE" in page.inner_text("body")
        browser.close()
    assert outside == set()


def test_the_pages_show_stages_groups_and_progress(served: Served, nightly: str) -> None:
    tasks = {run["name"]: run["state_name"] for run in served.post("/task_runs/filter")}
    assert tasks["prepare"] == "Completed"
    group = re.compile(r"sdd/electrical commutators(, images \d+ to \d+)?, main tower")  # in ranges or whole
    assert {state for name, state in tasks.items() if group.fullmatch(name)} == {"Completed"}
    artifacts = {item["key"]: item for item in served.post("/artifacts/filter")}
    assert {"miniature-table1", "miniature-pixel-auroc", "miniature-cells", "miniature-progress"} <= set(
        artifacts
    )
    assert artifacts["miniature-progress"]["data"] == 100
    logged = [line["message"] for line in served.post("/logs/filter", {"limit": 200})]
    assert "slow_clip on sdd/electrical commutators: finished" in logged


def test_nothing_listens_beyond_loopback_and_a_second_serve_is_told(served: Served, nightly: str) -> None:
    run = start_and_meet(served)
    addresses = listening(served.process.pid)
    assert addresses
    assert beyond_loopback(addresses) == {}
    output = served.project.run("zsad", "serve", code=1)
    assert f"running already (process {served.process.pid}, {served.address})" in output
    served.wait_for_state(run, "Completed")


def test_cancel_stops_all_work_and_keeps_what_is_finished(
    served: Served, undisturbed: dict[str, bytes]
) -> None:
    run = start_and_meet(served)
    started = time.monotonic()
    served.set_state(run, type="CANCELLING")
    wait_for(lambda: not served.working(), 10)
    served.wait_for_state(run, "Cancelled", seconds=20)
    print(f"cancelled after {time.monotonic() - started:.1f} s")  # noqa: T201
    wait_for(lambda: "Running" not in states_below(served, run).values(), 20)
    states = states_below(served, run)
    assert states["evaluate"] == states["evaluate miniature"] == "Cancelled"
    assert set(states.values()) <= {"Completed", "Cached", "Cancelled"}, states
    kept = served.cells()
    assert 0 < kept < CELLS
    again = served.start_run()
    assert served.wait_for_state(again, "Completed", "Failed", "Crashed") == "Completed"
    logged = [
        line["message"] for line in served.post("/logs/filter", {"limit": 200, "sort": "TIMESTAMP_DESC"})
    ]
    assert f"evaluate: cells: {CELLS - kept} run, {kept} reused, 0 failed: complete" in logged
    assert served.project.files("results/miniature/metrics") == metrics(undisturbed)


def test_pause_stops_all_work_and_resume_goes_on(served: Served, undisturbed: dict[str, bytes]) -> None:
    run = start_and_meet(served)
    details = {"pause_timeout": "2999-01-01T00:00:00Z", "pause_reschedule": True, "pause_key": "test"}
    served.set_state(run, type="PAUSED", name="Suspended", state_details=details)
    wait_for(lambda: not served.working(), 20)
    kept = served.cells()
    assert served.state(run) == "Suspended"
    served.post(f"/flow_runs/{run}/resume")
    served.wait_for_state(run, "Completed")
    assert kept < CELLS
    assert served.project.files("results/miniature/metrics") == metrics(undisturbed)


def test_a_server_that_is_killed_comes_back_and_the_run_ends_with_the_same_numbers(
    served: Served, undisturbed: dict[str, bytes]
) -> None:
    run = start_and_meet(served)
    (server,) = [
        each for each in served.processes() if "pipeline.flows.prefect_server" in " ".join(each.cmdline())
    ]
    server.kill()
    assert served.wait_for_state(run, "Completed", "Failed", "Crashed") == "Completed"
    assert served.cells() == CELLS
    assert served.project.files("results/miniature/metrics") == metrics(undisturbed)


def metrics(results: dict[str, bytes]) -> dict[str, bytes]:
    start = "miniature/metrics/"
    return {name.removeprefix(start): content for name, content in results.items() if name.startswith(start)}


def test_no_secret_is_written_down(served: Served, nightly: str) -> None:
    for file in (served.project.folder / ".prefect").rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file


def test_ctrl_c_cancels_the_run_and_leaves_nothing(served: Served, nightly: str) -> None:
    run = start_and_meet(served)
    children = served.processes()
    served.process.send_signal(signal.SIGINT)
    output, _ = served.process.communicate(timeout=60)
    assert served.process.returncode == 0, output
    assert "stopping" in output
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive, [process.cmdline() for process in alive]
    again = start_serving(served.project)
    assert again.state(run) == "Cancelled"
    again.stop()


def test_killed_with_a_run_under_way_it_leaves_nothing_and_the_next_one_goes_on(
    served: Served, undisturbed: dict[str, bytes]
) -> None:
    served.stop()  # two of one project are refused
    killed = start_serving(served.project)
    start_and_meet(killed)
    children = killed.processes()
    killed.process.kill()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive, [process.cmdline() for process in alive]
    again = start_serving(served.project)
    run = again.start_run()
    assert again.wait_for_state(run, "Completed", "Failed", "Crashed") == "Completed"
    assert served.project.files("results/miniature/metrics") == metrics(undisturbed)
    again.stop()
