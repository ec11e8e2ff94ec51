"""The flow `benchmark`: what a schedule runs. It asks DVC for one stage after the other.

The graph is DVC's: it is read at run time and never written down a second time. A stage that did not change
shows as `Cached`; a stage that failed ends the run, with what was finished kept.
"""

import re
import subprocess
import sys

import networkx as nx
from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas import State
from prefect.runtime import task_run
from prefect.states import Completed

from pipeline.errors import ZsadError
from pipeline.flows.stages import PARENT_VARIABLE, stream

_EDGE = re.compile(r'^"(?P<before>[^"]+)" -> "(?P<after>[^"]+)";$')
_NODE = re.compile(r'^"(?P<node>[^"]+)";$')


def stage_order() -> list[str]:
    """Names of DVC's stages, each after those that it depends on; the instances of one stage count as one.

    Raises:
        ZsadError: DVC cannot read the project.
    """
    shown = subprocess.run(
        [sys.executable, "-m", "dvc", "dag", "--dot"], capture_output=True, text=True, check=False
    )
    if shown.returncode != 0:
        raise ZsadError(f"DVC cannot read the project: {shown.stderr.strip()}")
    graph: nx.DiGraph[str] = nx.DiGraph()
    for line in shown.stdout.splitlines():
        if edge := _EDGE.match(line.strip()):
            graph.add_edge(edge["before"].split("@")[0], edge["after"].split("@")[0])
        elif node := _NODE.match(line.strip()):
            graph.add_node(node["node"].split("@")[0])
    return list(nx.topological_sort(graph))


@task(name="stage", task_run_name="{stage}", cache_policy=NO_CACHE)
def _run_stage(stage: str) -> State[None]:
    logger = get_run_logger()
    lines: list[str] = []

    def keep(line: str) -> None:
        lines.append(line)
        logger.info(line)

    with get_client(sync_client=True) as client:
        extra = {PARENT_VARIABLE: str(task_run.get_id()), "PREFECT_API_URL": str(client.api_url)}
    code = stream(["dvc", "repro", "--single-item", stage], extra, keep)
    if code != 0:
        reason = next((line for line in reversed(lines) if "failed" in line.lower()), f"exit code {code}")
        raise ZsadError(f"stage {stage}: {reason}")
    changed = any(line.startswith(("Running stage", "Importing")) for line in lines)
    return Completed() if changed else Completed(name="Cached", message="didn't change")


@flow(name="benchmark")
def benchmark() -> None:
    """Bring every stage up to date, in DVC's order."""
    for stage in stage_order():
        _run_stage(stage)
