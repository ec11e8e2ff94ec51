"""Ray beyond one machine: a lost node, a request that fits nowhere, a foreign project, faults of workers.

Two nodes are two raylets on this machine with one CPU each. Every run must end with the bytes of the serial
one, or with rows that say what is missing.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.execution.backends import open_backend
from pipeline.execution.cluster import ClusterError
from pipeline.execution.ray import RayBackend
from pipeline.execution.run import open_run
from pipeline.execution.store import CellStore
from pipeline.execution.tasks import GroupTask
from pipeline.execution.worker import Workplace
from pipeline.params import ComputeParams, load_params
from tests.execution import faults
from tests.execution.running import CELLS, Events, evaluate, forget, use_plain_methods
from tests.execution.test_retries import TASK
from tests.project import Project

pytestmark = pytest.mark.ray

STORE_BYTES = 75 * 2**20


@pytest.fixture(autouse=True)
def _faults_travel() -> Iterator[None]:
    """Send faults to workers by value: a worker sees the project, not these tests."""
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(faults)
    yield
    cloudpickle.unregister_pickle_by_value(faults)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes of one CPU each, joined by `RAY_ADDRESS`."""
    from ray.cluster_utils import Cluster

    import pipeline.execution  # noqa: F401 - sets Ray's environment before Ray is imported

    made = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "object_store_memory": STORE_BYTES, "include_dashboard": False},
    )
    made.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
    monkeypatch.setenv("RAY_ADDRESS", made.address)
    yield made
    made.shutdown()


@pytest.fixture
def serial(trained: Project, plain_results: dict[str, bytes]) -> dict[str, bytes]:
    """The result files of an undisturbed serial run; the project is set to Ray."""
    use_plain_methods(trained)
    trained.set_param("compute.backend", "ray")
    return plain_results


def test_a_lost_node_changes_nothing(
    trained: Project, serial: dict[str, bytes], cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.execution.ray.Worker", faults.HeldOffTheHead)
    events, over = Events(), threading.Event()

    def lose_node() -> None:
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)

    thread = threading.Thread(target=faults.once_held, args=(lose_node, over))
    thread.start()
    try:
        summary = evaluate(events, threads=4)
    finally:
        over.set()
        thread.join()
    assert summary.complete, summary.lines()
    assert len(events.of("worker_lost")) == 1
    assert summary.counts() == {"run": CELLS, "reused": 0, "failed": 0}
    assert trained.files("results") == serial


def test_what_fits_on_no_node_is_refused_at_once(trained: Project, cluster: Any) -> None:
    use_plain_methods(trained)
    trained.set_param("compute.backend", "ray")
    trained.set_param("compute.gpus", 1)
    started = time.monotonic()
    with pytest.raises(ClusterError, match=r"no node .* has 1 CPU and 1 GPU.*nodes have 1 CPU and 0 GPU"):
        evaluate()
    trained.set_param("compute.gpus", 0)
    trained.set_param("compute.threads", 2)
    with pytest.raises(ClusterError, match=r"has 2 CPU,.*lower compute\.threads"):
        evaluate()
    assert time.monotonic() - started < 60


def test_an_address_where_nobody_is_says_so(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    use_plain_methods(trained)
    trained.set_param("compute.backend", "ray")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    with pytest.raises(ClusterError, match=r"nobody answers at RAY_ADDRESS=127\.0\.0\.1:9"):
        evaluate()


def test_lost_workers_change_nothing_and_short_memory_takes_a_smaller_batch(
    evaluated: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Learnt methods are among the cells. Another batch moves last digits, so Endo's are left out."""

    def files() -> dict[str, bytes]:
        return {name: it for name, it in evaluated.files("results").items() if "/endo/" not in name}

    serial = files()
    forget(evaluated)
    evaluated.set_param("compute.backend", "ray")
    monkeypatch.setattr("pipeline.execution.ray.Worker", faults.DiesTwiceInHeadctAndIsShortInEndo)
    events = Events()
    summary = evaluate(events, threads=4)
    assert summary.counts() == {"run": 18, "reused": 0, "failed": 0}
    assert events.of("groups_shared")[0]["cut"] == 2
    lost = [facts["group"] for facts in events.of("worker_lost")]
    assert set(lost) <= {"headct/brain, images 1 to 16", "headct/brain, images 17 to 30"}
    assert len(lost) == 2
    assert any("endo/" in note and "batch halved to 4" in note for note in summary.notes)
    assert files() == serial


def test_how_far_a_group_is_can_be_seen_while_it_runs(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_plain_methods(trained)
    trained.set_param("compute.batch", 2)
    trained.set_param("compute.backend", "ray")
    monkeypatch.setattr("pipeline.execution.ray.Worker", faults.SlowOverImages)
    params, seen = load_params(), list[int]()
    run = open_run(params, CellStore())
    group = max(run.tasks, key=lambda task: task.images)
    with open_backend(params.compute) as backend:
        run.do(group, backend, seen.append)
    assert seen == sorted(seen)
    assert any(0 < images < group.images for images in seen), seen
    assert set(seen) <= {0, *range(2, group.images + 1, 2), group.images}


@pytest.mark.soak
def test_a_group_that_hangs_becomes_rows_and_the_next_run_costs_just_them(
    trained: Project, serial: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained.set_param("compute.time_limit", 40)
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.execution.ray.Worker", faults.EndlessOnEndo)
        summary = evaluate(threads=4)
    assert summary.counts() == {"run": CELLS - 2, "reused": 0, "failed": 2}
    (reason,) = {reason for _, reason in summary.failures}
    assert "longer than compute.time_limit, 40 s" in reason
    assert {row.dataset for row in trained.rows() if row.status == "failed"} == {"endo"}
    trained.set_param("compute.time_limit", None)
    assert evaluate(threads=4).counts() == {"run": 2, "reused": CELLS - 2, "failed": 0}
    assert trained.files("results") == serial


def test_a_worker_that_is_stopped_is_told_of_and_ended_and_the_others_go_on(
    trained: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Endo has little time once its group runs; before that a busy machine may start its worker."""
    use_plain_methods(trained)
    fewer = {"datasets": ["sdd", "endo"], "auxiliaries": ["sdd"], "auxiliary": ["sdd"], "protocol": "sdd"}
    trained.write_params(trained.params() | fewer)
    trained.set_param("compute.backend", "ray")
    trained.set_param("compute.cpus", 1)
    monkeypatch.setattr("pipeline.execution.ray.Worker", faults.StoppedOnEndo)
    monkeypatch.setattr("pipeline.execution.ray._NOTICE_SECONDS", 1.0)

    def most(backend: RayBackend, task: GroupTask) -> float:
        return 4.0 if task.dataset == "endo" and backend._running else 240.0

    monkeypatch.setattr(RayBackend, "_most", most)
    summary = evaluate(threads=2)
    (reason,) = {reason for _, reason in summary.failures}
    assert "endo/colon: took longer than what its images can take, 4 s" in reason
    assert {row.dataset for row in trained.rows() if row.status == "ok"} == {"sdd"}
    assert {row.dataset for row in trained.rows() if row.status == "failed"} == {"endo"}
    assert "endo/colon has been running for 0 min in process" in capfd.readouterr().err


@pytest.mark.parametrize(("limit", "images", "seconds"), [(None, 1, 3600), (None, 200, 6000), (40, 200, 40)])
def test_how_long_a_group_may_take(limit: int | None, images: int, seconds: float) -> None:
    backend = RayBackend(ComputeParams(backend="ray", time_limit=limit), Workplace.here())
    assert backend._most(replace(TASK, images=images)) == seconds


@pytest.mark.soak
def test_a_worker_that_is_stopped_before_it_says_where_it_is_gives_its_place_back(
    trained: Project, serial: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained.set_param("compute.cpus", 1)
    monkeypatch.setattr("pipeline.execution.ray.Worker", faults.StoppedAsItEnters)
    monkeypatch.setattr("pipeline.execution.ray._STOPPED_SECONDS", 2.0)
    events = Events()
    assert evaluate(events, threads=4).complete
    assert len(events.of("worker_lost")) == 1
    assert trained.files("results") == serial


@pytest.mark.soak
def test_a_node_without_the_project_is_refused(
    trained: Project, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_plain_methods(trained)
    trained.set_param("compute.backend", "ray")
    here = Workplace.here()
    gone = Workplace(Path("/nowhere/project"), here.sources, here.libraries)
    monkeypatch.setattr(Workplace, "here", classmethod(lambda _: gone))
    with pytest.raises(ClusterError, match=r"cannot open /nowhere/project .*mount the project"):
        evaluate()
    other = Workplace(here.root, "0" * 64, here.libraries)
    monkeypatch.setattr(Workplace, "here", classmethod(lambda _: other))
    with pytest.raises(ClusterError, match="another version of the code"):
        evaluate()
