"""The flow `benchmark`: what a schedule runs. It asks DVC for one stage after the other.

A stage that failed ends the run, with what was finished kept; when that stage is evaluate, the tables of what
is there are drawn and shown all the same. Cancel and pause stop the work; the next run goes on from the
finished cells. How a run ended is told in one line, as `ZSAD_NOTIFY` in the environment of `zsad serve` says:
an address that starts with http:// or https:// gets a POST of `{"text": line}`; anything else is a command
that gets the line as its last argument. The address may hold a token, so it appears in no message.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, cast

import httpx
from prefect import Flow, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import FlowRun, State
from prefect.context import FlowRunContext
from prefect.flows import FlowStateHook
from prefect.logging.loggers import flow_run_logger
from prefect.runtime import deployment, flow_run
from pydantic import Field
from pydantic.fields import FieldInfo

from pipeline.errors import ZsadError, redacted
from pipeline.flows.artifacts import publish
from pipeline.flows.dvc_stages import run_stage, stage_order
from pipeline.flows.gpus import own_gpus, run_side_by_side
from pipeline.flows.interrupts import cancellable, result_of
from pipeline.flows.request import Request, borrowed_params, offered, profiles
from pipeline.params import Params, load_params
from pipeline.tables import write_run_tables

VARIABLE = "ZSAD_NOTIFY"
_TRAIN, _EVALUATE = ("train", "train_union"), "evaluate"
_SECONDS = 20
_PREFECTS_WORDS = re.compile(r"^Flow run encountered an exception: (\w+Error: )?")


def notify(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Hook of a flow: say how the run ended. That nobody could be told never fails the run."""
    how = os.environ.get(VARIABLE)
    if not how:
        return
    try:
        _send(how, message(flow_run.name, state))
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, subprocess.SubprocessError) as error:
        flow_run_logger(flow_run, flow).warning("nobody was notified: %s", type(error).__name__)


def message(run: str, state: State[Any]) -> str:
    """The line: `zsad: nightly miniature 2026-11-25: Failed: stage evaluate: ...`."""
    what = "Cancelled" if state.is_cancelling() else state.name or state.type.value.title()
    reason = "" if state.is_completed() else (state.message or "")
    first = _PREFECTS_WORDS.sub("", reason.strip().partition("\n")[0])
    return redacted(": ".join(part for part in ("zsad", run, what, first) if part))


def _send(how: str, line: str) -> None:
    if how.startswith(("http://", "https://")):
        httpx.post(how, json={"text": line}, timeout=_SECONDS).raise_for_status()
        return
    subprocess.run(  # noqa: S603 - the user's own command, without a shell
        [*shlex.split(how), line], check=True, timeout=_SECONDS, capture_output=True
    )


_HOOKS: list[FlowStateHook[Any, Any]] = [notify]


def run_name() -> str:
    """`nightly miniature 2026-11-25`; a run on demand also says the time."""
    name = str(deployment.get_name() or "benchmark").replace("-", " ")
    try:
        profile = flow_run.get_parameters().get("profile") or load_params().profile
    except ZsadError:
        profile = ""
    start: datetime = flow_run.get_scheduled_start_time().astimezone()
    when = f"{start:%Y-%m-%d}" if name == "nightly" else f"{start:%Y-%m-%d %H:%M}"
    return " ".join(part for part in (name, profile, when) if part)


@task(name="tables of what is finished", cache_policy=NO_CACHE)
@cancellable
def _incomplete_tables(params: Params) -> None:
    try:
        write_run_tables(params)
    except ZsadError as error:
        get_run_logger().warning("no tables: %s", error)
        return
    publish(params)


def _stop_if_paused() -> None:
    if context := FlowRunContext.get():
        context.flow_run_suspension_request.raise_if_requested()


def _run_stages(params: Params) -> None:
    run_file = params.results / "run.json"  # evaluate writes it last
    before = _changed(run_file)
    gpus = own_gpus(params.compute)
    for stage, instances in stage_order().items():
        states: list[State[Any]]
        if stage in _TRAIN and min(len(gpus), len(instances)) > 1:
            states = run_side_by_side(instances, gpus)
        else:
            states = [run_stage(stage, return_state=True)]
        _stop_if_paused()
        if stage == _EVALUATE and states[0].is_failed() and _changed(run_file) != before:
            result_of(_incomplete_tables(params, return_state=True))
        for state in states:
            result_of(state)
    publish(params)


def _changed(file: Path) -> int | None:
    return file.stat().st_mtime_ns if file.exists() else None


def _choice(names: Sequence[str]) -> FieldInfo:
    """What the form offers, as it was when this process started; whether it can be run is checked later."""
    return cast("FieldInfo", Field(json_schema_extra={"enum": [*names]}))


_METHODS, _DATASETS = offered()
_Profile = Annotated[str, _choice(profiles())]
_Method = Annotated[str, _choice(_METHODS)]
_Dataset = Annotated[str, _choice(_DATASETS)]


@flow(
    name="benchmark",
    flow_run_name=run_name,
    on_completion=_HOOKS,
    on_failure=_HOOKS,
    on_cancellation=_HOOKS,
    on_crashed=_HOOKS,
)
def benchmark(
    profile: _Profile | None = None,
    methods: list[_Method] | None = None,
    datasets: list[_Dataset] | None = None,
) -> None:
    """Bring every stage up to date, in DVC's order.

    Args:
        profile: one of `pipeline/conf/profile`; empty: params.yaml as it stands.
        methods: only these methods of the profile; empty: all.
        datasets: only these data sets, and the auxiliary sets that they need; empty: all.
    """
    with borrowed_params(Request(profile, methods, datasets)):
        _run_stages(load_params())
