"""What DVC, Prefect and Ray cost around trivial cells, against the least that the three can cost.

    python -m benchmarks orchestration

The floor is one DVC stage whose script runs an empty Prefect flow on a temporary server, starts Ray, runs
ten empty tasks and stops it. A second floor imports torch in its flow and its tasks, as every
process does that plans or scores: that is no orchestration, and the noted floor leaves it out. Ours is one
DVC stage that runs the real flow `evaluate` (plan, cell keys, one Prefect task a group, results written)
with groups that come back from their Ray workers at once. All take turns, each from the start of `dvc repro`
to its end.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import yaml

from benchmarks.common import add_rounds, facts, interleaved, table, write_section
from benchmarks.miniature import miniature_params, project, tasks
from benchmarks.subjects import ROOT

NOTED = 12.0  # seconds of the floor on a quiet machine of this kind, when the stack was chosen
ALLOWED = 1.2

_FLOOR = """
import ray
from prefect import flow

@ray.remote
def nothing():
    {imports}

@flow
def floor():
    {imports}
    ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=75 * 2**20,
             logging_level="ERROR", _node_ip_address="127.0.0.1")
    ray.get([nothing.remote() for _ in range(10)])
    ray.shutdown()

floor()
"""

_STAGES = {
    "floor": _FLOOR.format(imports="pass"),
    "floor_torch": _FLOOR.format(imports="import torch"),
    "ours": """
from pipeline.execution import backends
from pipeline.execution.tasks import failed_result
from pipeline.execution.usage import measured, unheard
from pipeline.execution.worker import Worker
from pipeline.flows.evaluate import evaluate
from pipeline.params import load_params

class Trivial(Worker):
    def run(self, task):
        with measured(task.device, unheard) as meter:
            results = tuple(failed_result(cell.columns, "trivial") for cell in task.cells)
            return results, meter.usage()

def trivial_ray(compute):
    from pipeline.execution import ray
    ray.Worker = Trivial
    return ray.ray_backend(compute)

backends._BACKENDS["ray"] = trivial_ray
evaluate(load_params())
""",
}


def run_command(*command: str) -> None:
    """Run a command of the environment; its output shows only when it fails."""
    home = Path.cwd() / ".prefect"
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PREFECT_HOME": str(home),
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody else compiles all of it in each process
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def run_stage(name: str) -> None:
    """Run a stage of `make_stages`, `ours` or a floor."""
    run_command("dvc", "repro", "-q", "--force", "--single-item", name)


def make_stages() -> None:
    """Three DVC stages in the current directory, which `miniature.project` has prepared."""
    Path("params.yaml").write_text(yaml.safe_dump(miniature_params().model_dump(mode="json")))
    for name, script in _STAGES.items():
        Path(f"{name}.py").write_text(script)
    stages = {name: {"cmd": f"python {name}.py"} for name in _STAGES}
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    run_command("git", "init", "-q")
    run_command("dvc", "init", "-q")


def measure(rounds: int) -> str:
    """The section; inside a project."""
    make_stages()
    groups = tasks(miniature_params())
    contenders = {name: lambda name=name: run_stage(name) for name in _STAGES}
    interleaved(contenders, 1)  # Prefect makes its database
    seconds = interleaved(contenders, rounds)
    cells = sum(len(group.cells) for group in groups)
    ratio = seconds["ours"] / seconds["floor"]
    rows = [
        ["floor: ten empty tasks", f"{seconds['floor']:.1f}", "1"],
        [
            "the same with torch imported",
            f"{seconds['floor_torch']:.1f}",
            f"{seconds['floor_torch'] / seconds['floor']:.2f}",
        ],
        [f"zsad: {cells} trivial cells in {len(groups)} groups", f"{seconds['ours']:.1f}", f"{ratio:.2f}"],
    ]
    verdict = "within" if ratio <= ALLOWED else "beyond"
    return (
        f"{ratio:.2f} times the floor of the same minutes, {verdict} the {ALLOWED} that is allowed; the floor"
        f" when the stack was chosen was {NOTED:.1f} s.\n\n" + table(["", "seconds", "times the floor"], rows)
    )


def options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    add_rounds(parser, 3)


def run(arguments: argparse.Namespace) -> None:
    """Measure and write the section."""
    with project():
        body = measure(arguments.rounds)
    words = f"Medians of {arguments.rounds} interleaved rounds, wall time. {facts()}"
    write_section("orchestration", "Orchestration", f"{words}\n\n{body}")
