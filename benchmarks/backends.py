"""The same groups in this process, on a local Ray and on Ray nodes of their own: equal results, and the cost.

    python -m benchmarks.backends

The miniature's cells of four data sets, none kept. Counted are the start of the backend (Ray up, or joined
and probed) and the groups; what a group itself takes is measured inside the worker, and the rest is overhead.
The results of all contenders are compared to the byte. Nodes are processes with one CPU and an address each.
"""

import argparse
import contextlib
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import facts, table, write_section
from benchmarks.miniature import miniature_params, project
from benchmarks.ray_nodes import ray_nodes
from pipeline.execution.backends import open_backend
from pipeline.execution.cell_store import CellStore
from pipeline.execution.run import Run, open_run
from pipeline.params import Params
from pipeline.results import encode_cell


@dataclass(frozen=True)
class Outcome:
    """Seconds of the start, of the groups by the clock, inside the groups; the digest of all results."""

    start: float
    groups: float
    inside: float
    digest: str
    count: int


def _digest(run: Run) -> str:
    cells = sorted(encode_cell(result) for result in run.results)
    return hashlib.sha256(b"".join(cells)).hexdigest()


def evaluate(params: Params, workers: int) -> Outcome:
    """Every group once, `2 * workers` in the backend's hands."""
    with tempfile.TemporaryDirectory() as folder:
        run = open_run(params, CellStore(Path(folder)))
        began = time.perf_counter()
        with open_backend(params.compute) as backend, ThreadPoolExecutor(2 * workers) as pool:
            up = time.perf_counter()
            list(pool.map(lambda task: run.evaluate(task, backend), run.tasks))
            done = time.perf_counter()
    if failed := [result.row.error for result in run.results if result.row.error]:
        raise SystemExit(f"a cell failed: {failed[0]}")
    inside = sum(usage.seconds["all"] for usage in run.usages)
    return Outcome(up - began, done - up, inside, _digest(run), len(run.usages))


def _with_backend(params: Params, backend: str, workers: int) -> Params:
    changes = {"backend": backend, "cpus": workers, "threads": 1}
    return params.model_copy(update={"compute": params.compute.model_copy(update=changes)})


@contextlib.contextmanager
def _nodes(count: int) -> Iterator[None]:
    with ray_nodes(count) as nodes:
        os.environ["RAY_ADDRESS"] = nodes.address
        try:
            yield
        finally:
            del os.environ["RAY_ADDRESS"]


def contenders(params: Params) -> dict[str, tuple[int, Callable[[], Outcome]]]:
    """Name to number of workers and what runs it."""

    def on_nodes(count: int) -> Outcome:
        with _nodes(count):
            return evaluate(_with_backend(params, "ray", count), count)

    return {
        "serial": (1, lambda: evaluate(_with_backend(params, "serial", 1), 1)),
        "local Ray, 1 worker": (1, lambda: evaluate(_with_backend(params, "ray", 1), 1)),
        "local Ray, 2 workers": (2, lambda: evaluate(_with_backend(params, "ray", 2), 2)),
        "1 Ray node": (1, lambda: on_nodes(1)),
        "2 Ray nodes": (2, lambda: on_nodes(2)),
    }


def _row(name: str, workers: int, runs: list[Outcome], serial: float) -> list[str]:
    start, groups, inside = (
        statistics.median(getattr(run, part) for run in runs) for part in ("start", "groups", "inside")
    )
    overhead = 1000 * (groups - inside / workers) / runs[0].count
    return [
        name,
        *(f"{value:.2f}" for value in (start, groups, inside)),
        f"{overhead:.0f}",
        f"{serial / groups:.2f}",
    ]


def main() -> None:
    """Run every contender in turn, compare the results, and write the section."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=2)
    rounds = parser.parse_args().rounds
    outcomes: dict[str, list[Outcome]] = {}
    with project():
        known = contenders(miniature_params())
        for _ in range(rounds):
            for name, (_, work) in known.items():
                outcomes.setdefault(name, []).append(work())
    digests = {run.digest for runs in outcomes.values() for run in runs}
    if len(digests) != 1:
        raise SystemExit(f"the results differ: {outcomes}")
    serial = statistics.median(run.groups for run in outcomes["serial"])
    rows = [_row(name, known[name][0], runs, serial) for name, runs in outcomes.items()]
    head = [
        "backend",
        "start, s",
        "groups, s",
        "inside groups, s",
        "overhead a group, ms",
        "speed-up of groups",
    ]
    count = outcomes["serial"][0].count
    body = (
        f"{count} groups of the miniature profile, median of {rounds} rounds in turn; results identical to\n"
        f"the byte in all of them. {facts()}\n\n{table(head, rows)}\n\n"
        "A worker's first group waits for its imports and its tower, which is most of the overhead of so\n"
        "few groups; `start` is Ray up (local) or joined and probed (nodes). Two workers share two cores\n"
        "with the driver and with Ray."
    )
    write_section("backends", "Backends", body)


if __name__ == "__main__":
    main()
