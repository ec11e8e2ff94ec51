"""How the flow `benchmark` and the DVC stages that it starts find each other.

Each stage is a process of its own. A stage that is a flow itself (train, evaluate) joins as a sub-run of the
task that started it, so that the page of the nightly run shows what happens inside. Under plain `dvc repro`
there is no parent and the flow stands alone. The numbers never wait for the page: a server that is gone costs
the record of a run, not the run.
"""

import os
import time
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.flow_engine import run_flow
from prefect.logging import get_logger
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Pending

from pipeline.flows.interrupts import cancelled_when_interrupted
from pipeline.flows.server import ServerGoneError, asking_server, some_server

PARENT_VARIABLE = "ZSAD_PARENT_TASK_RUN"
# The server hears of tasks a few seconds late, and one that was killed is up again well within this.
_PARENT_SECONDS = 40
_STARTS = 3

P = ParamSpec("P")
R = TypeVar("R")


def run_in_parent(flow: Flow[P, R], **parameters: Any) -> R:
    """Run `flow` as a sub-run of the task that started this process, or alone when no task did.

    Its result counts as soon as its body has returned, whatever becomes of the server afterwards. One that
    goes before that is soon back, and the run starts again; it finds what it had finished.

    Raises:
        ServerGoneError: the server went each time.
    """
    kept: list[R] = []
    keeping = _keeping(flow, kept)
    starts = 0
    while True:
        starts += 1
        try:
            with asking_server():
                return _run(keeping, parameters)
        except ServerGoneError as error:
            if kept:
                get_logger("zsad").warning("Prefect's server is gone (%s); the run itself has ended", error)
                return kept[0]
            if starts == _STARTS:
                raise


def _keeping(flow: Flow[P, R], kept: list[R]) -> Flow[P, R]:
    """A copy of `flow` that puts its result into `kept` before Prefect reports it."""
    body = flow.fn

    @wraps(body)
    def fn(*args: P.args, **kwargs: P.kwargs) -> R:
        result = body(*args, **kwargs)
        kept.append(result)
        return result

    copy = flow.with_options()
    copy.fn = fn
    return copy


def _run(flow: Flow[P, R], parameters: dict[str, Any]) -> R:
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is None:
        return _alone(flow, parameters)
    try:
        flow_run = _sub_run(flow, UUID(parent))
    except ServerGoneError:
        # Nobody answers where the parent's server was.
        with temporary_settings(restore_defaults={PREFECT_API_URL}):
            return _alone(flow, parameters)
    return _going(flow, flow_run, parameters)


def _alone(flow: Flow[P, R], parameters: dict[str, Any]) -> R:
    with some_server():
        with get_client(sync_client=True) as client:
            flow_run = client.create_flow_run(flow, state=Pending())
        return _going(flow, flow_run, parameters)


def _going(flow: Flow[P, R], flow_run: FlowRun, parameters: dict[str, Any]) -> R:
    with cancelled_when_interrupted(flow_run):
        return cast("R", run_flow(flow, flow_run=flow_run, parameters=parameters))


def _sub_run(flow: Flow[P, R], parent: UUID) -> FlowRun:
    """A run of `flow` below the task run `parent`, once the server has written that down.

    Raises:
        ServerGoneError: the server does not answer, or does not know `parent`.
    """
    deadline = time.monotonic() + _PARENT_SECONDS
    while True:
        try:
            with asking_server(), get_client(sync_client=True) as client:
                client.read_task_run(parent)
                return client.create_flow_run(flow, parent_task_run_id=parent, state=Pending())
        except (ObjectNotFound, ServerGoneError) as error:
            if time.monotonic() > deadline:
                raise ServerGoneError(f"no task run {parent} to be found") from error
            time.sleep(0.5)
