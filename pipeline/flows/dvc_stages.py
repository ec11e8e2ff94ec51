"""DVC's graph as Prefect sees it: the stages in their order, and one task that asks DVC for one of them.

The graph is DVC's: it is read at run time and never written down a second time. A stage that did not change
shows as `Cached`.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from graphlib import TopologicalSorter

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import State
from prefect.context import FlowRunContext
from prefect.runtime import task_run
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL
from prefect.states import Cancelled, Completed

from pipeline.errors import ZsadError, redacted
from pipeline.execution.retries import StoppedError
from pipeline.flows.interrupts import cancellable
from pipeline.flows.processes import stream
from pipeline.flows.sub_runs import PARENT_VARIABLE

_EDGE = re.compile(r'^"(?P<before>[^"]+)" -> "(?P<after>[^"]+)";$')
_NODE = re.compile(r'^"(?P<node>[^"]+)";$')


class StageError(ZsadError):
    """A stage that did not end well."""


def stage_order() -> dict[str, list[str]]:
    """DVC's stages, each after those that it depends on: its name, and its instances.

    Raises:
        ZsadError: DVC cannot read the project.
    """
    shown = subprocess.run(
        [sys.executable, "-m", "dvc", "dag", "--dot"], capture_output=True, text=True, check=False
    )
    if shown.returncode != 0:
        raise ZsadError(f"DVC cannot read the project: {shown.stderr.strip()}")
    graph: TopologicalSorter[str] = TopologicalSorter()
    instances: dict[str, list[str]] = {}
    for line in shown.stdout.splitlines():
        if edge := _EDGE.match(line.strip()):
            graph.add(edge["after"].split("@")[0], edge["before"].split("@")[0])
        elif node := _NODE.match(line.strip()):
            name = node["node"].split("@")[0]
            graph.add(name)
            instances.setdefault(name, []).append(node["node"])
    return {name: instances[name] for name in graph.static_order()}


def pause_wanted() -> Callable[[], bool]:
    """Asks whether somebody pressed `Suspend` on the page of the flow run that this is a part of.

    The run is known to its own threads only; what is returned may be asked in any.
    """
    context = FlowRunContext.get()
    return context.flow_run_suspension_request.is_requested if context else lambda: False


@task(name="stage", task_run_name="{stage}", cache_policy=NO_CACHE)
@cancellable
def run_stage(stage: str) -> State[None]:
    """`bring` one stage, all its instances, one after the other."""
    return bring(stage, {}, paused=pause_wanted())


def bring(
    stage: str,
    environment: Mapping[str, str],
    *,
    paused: Callable[[], bool],
    stopped: Callable[[], bool] = lambda: False,
) -> State[None]:
    """Ask DVC for a stage or an instance, in a task; its output goes to the log of the task.

    Args:
        stage: its name.
        environment: variables on top of this process's.
        paused: asked now and then; once it says yes the stage is interrupted, and the state says so.
        stopped: likewise.

    Raises:
        StageError: the stage failed; the message has its own reason, or else DVC's.
        StoppedError: it was `stopped`.
    """
    lines: list[str] = []
    code = stream(
        ["dvc", "--wait-for-lock", "repro", "--single-item", stage],
        {**_for_sub_runs(), **environment},
        _recorder(lines),
        stopped=lambda: stopped() or paused(),
    )
    if stopped():
        raise StoppedError
    if paused():
        return Cancelled(name="Paused", message="goes on when the run is resumed")
    if code != 0:
        raise StageError(f"stage {stage}: {reason(lines) or f'exit code {code}'}")
    changed = any(line.startswith(("Running stage", "Importing")) for line in lines)
    return Completed() if changed else Completed(name="Cached", message="didn't change")


def reason(lines: list[str]) -> str | None:
    """What a stage says last (see `stages.entry`); DVC itself knows no more than its exit code."""
    told = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    failed = [line for line in lines if "failed" in line.lower()]
    return next(reversed(told or failed), None)


def _for_sub_runs() -> dict[str, str]:
    """How flows in other processes find this task and its server."""
    server = {"PREFECT_API_URL": PREFECT_API_URL, "PREFECT_API_AUTH_STRING": PREFECT_API_AUTH_STRING}
    named = {name: setting.value() for name, setting in server.items()}
    return {PARENT_VARIABLE: str(task_run.get_id())} | {name: it for name, it in named.items() if it}


def _recorder(lines: list[str]) -> Callable[[str], None]:
    logger = get_run_logger()

    def record(line: str) -> None:
        lines.append(redacted(line))
        if line:
            logger.info("%s", lines[-1])

    return record
