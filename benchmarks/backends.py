"""The same groups in this process, on a local Ray and on Ray nodes of their own: equal results, and the cost.

    python -m benchmarks backends

The miniature's cells of four data sets, none kept. Counted are the start of the backend (Ray up, or joined
and probed) and the groups; what a group itself takes is measured inside the worker, and the rest is overhead.
The results of all contenders are compared to the byte. Nodes are processes with one CPU and an address each.
Two cores hold no more than two of them: more nodes are simulated with the plan's model, and say so.
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
from typing import Any

from benchmarks.common import add_rounds, facts, table, write_section
from benchmarks.miniature import miniature_params, project
from benchmarks.ray_nodes import ray_nodes
from pipeline.execution.backends import open_backend
from pipeline.execution.run import Run, open_run
from pipeline.execution.store import CellStore
from pipeline.params import Params
from pipeline.plan import simulate
from pipeline.results import encode_cell

_SIMULATED = (2, 4, 8, 16)


@dataclass(frozen=True)
class Outcome:
    """Seconds of the start, of the groups by the clock, and inside each; the digest of all results.

    `durations` are label and seconds of every group, in the order of the plan.
    """

    start: float
    groups: float
    durations: tuple[tuple[str, float], ...]
    digest: str

    @property
    def inside(self) -> float:
        """Seconds inside all groups together."""
        return sum(seconds for _, seconds in self.durations)


def _digest(run: Run) -> str:
    cells = sorted(encode_cell(result) for result in run.results)
    return hashlib.sha256(b"".join(cells)).hexdigest()


def evaluate(params: Params, workers: int) -> Outcome:
    """Every group once, `2 * workers` in the backend's hands."""
    seconds: dict[tuple[str, str], float] = {}

    def record(event: str, **facts: Any) -> None:
        if event == "group_finished":
            seconds[facts["tower"], facts["group"]] = facts["usage"].seconds["all"]

    with tempfile.TemporaryDirectory() as folder:
        run = open_run(params, CellStore(Path(folder)), record)
        began = time.perf_counter()
        with open_backend(params.compute) as backend, ThreadPoolExecutor(2 * workers) as pool:
            up = time.perf_counter()
            list(pool.map(lambda task: run.do(task, backend), run.tasks))
            done = time.perf_counter()
    if failed := [result.row.error for result in run.results if result.row.error]:
        raise SystemExit(f"a cell failed: {failed[0]}")
    durations = tuple((task.label, seconds[task.tower.name, task.label]) for task in run.tasks)
    return Outcome(up - began, done - up, durations, _digest(run))


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
    overhead = 1000 * (groups - inside / workers) / len(runs[0].durations)
    return [
        name,
        *(f"{value:.2f}" for value in (start, groups, inside)),
        f"{overhead:.0f}",
        f"{serial / groups:.2f}",
    ]


def _simulated(alone: list[Outcome], measured: float) -> str:
    """More nodes by the plan's model. `alone` are runs on one node, `measured` the seconds of two."""
    start = statistics.median(run.groups - run.inside for run in alone)
    groups = [
        (of_runs[0][0], statistics.median(seconds for _, seconds in of_runs))
        for of_runs in zip(*(run.durations for run in alone), strict=True)
    ]
    simulations = simulate(lambda _: groups, _SIMULATED, start=start)
    rows = [
        [str(it.workers), f"{it.seconds:.2f}", f"{it.speedup:.2f}", f"{it.busy:.0%}", it.limit]
        for it in simulations
    ]
    head = ["nodes, simulated", "groups, s", "speed-up over one node", "busy", "limited by"]
    return (
        "Simulated, not measured: the model of `zsad plan --simulate` with what each group took on one\n"
        f"node, and {start:.2f} s until a node's worker is at work. Every node has a core of its own there.\n"
        f"It says {simulations[0].seconds:.2f} s of two nodes; {measured:.2f} s were measured, the cores\n"
        f"shared with the driver.\n\n{table(head, rows)}"
    )


def options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    add_rounds(parser, 2)


def run(arguments: argparse.Namespace) -> None:
    """Run every contender in turn, compare the results, and write the section."""
    rounds = arguments.rounds
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
    count = len(outcomes["serial"][0].durations)
    two = statistics.median(run.groups for run in outcomes["2 Ray nodes"])
    body = (
        f"{count} groups of the miniature profile, median of {rounds} rounds in turn; results identical to\n"
        f"the byte in all of them. {facts()}\n\n{table(head, rows)}\n\n"
        "A worker's first group waits for its imports and its tower, which is most of the overhead of so\n"
        "few groups; `start` is Ray up (local) or joined and probed (nodes). Two workers share two cores\n"
        f"with the driver and with Ray.\n\n{_simulated(outcomes['1 Ray node'], two)}"
    )
    write_section("backends", "Backends", body)
