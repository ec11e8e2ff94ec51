"""Two Ray nodes as on two machines: processes and addresses of their own, started with `ray start`."""

import os
import signal
import threading

import pytest

from benchmarks.ray_nodes import ray_nodes
from tests.execution import faults
from tests.execution.running import CELLS, Events, evaluate, forget, use_plain_methods
from tests.project import Project

pytestmark = [pytest.mark.soak, pytest.mark.ray]


def test_one_machine_and_two_nodes_write_the_same_bytes_and_a_killed_node_changes_nothing(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray import cloudpickle

    use_plain_methods(trained)
    assert evaluate().complete
    serial = trained.files("results")
    trained.set_param("compute.backend", "ray")
    with ray_nodes(2) as nodes:
        monkeypatch.setenv("RAY_ADDRESS", nodes.address)
        forget(trained)
        assert evaluate(threads=4).counts() == {"run": CELLS, "reused": 0, "failed": 0}
        assert trained.files("results") == serial

        forget(trained)
        cloudpickle.register_pickle_by_value(faults)
        monkeypatch.setattr("pipeline.execution.ray.Worker", faults.HeldOffTheHead)
        events, over = Events(), threading.Event()

        def kill_node() -> None:
            os.killpg(nodes.processes[1].pid, signal.SIGKILL)

        thread = threading.Thread(target=faults.once_held, args=(kill_node, over))
        thread.start()
        try:
            summary = evaluate(events, threads=4)
        finally:
            over.set()
            thread.join()
        cloudpickle.unregister_pickle_by_value(faults)
        assert summary.counts() == {"run": CELLS, "reused": 0, "failed": 0}, summary.lines()
        assert len(events.of("worker_lost")) == 1
        assert events.of("groups_shared")[0]["cut"] == 2  # ranges of which one may have been lost
        assert trained.files("results") == serial
