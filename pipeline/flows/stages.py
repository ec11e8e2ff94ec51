"""How the flow `benchmark` and the DVC stages that it starts find each other.

Each stage is a process of its own. A stage that is a flow itself (train, evaluate) joins as a sub-run of the
task that started it, so that the page of the nightly run shows what happens inside. Under plain `dvc repro`
there is no parent and the flow stands alone.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound
from prefect.flow_engine import run_flow
from prefect.states import Pending

PARENT_VARIABLE = "ZSAD_PARENT_TASK_RUN"
_GRACE_SECONDS = 30
_PARENT_SECONDS = 20

R = TypeVar("R")


def _parent_is_known(client: SyncPrefectClient, parent: UUID) -> bool:
    """Whether the server has written the parent down; it hears of tasks a few seconds late."""
    deadline = time.monotonic() + _PARENT_SECONDS
    while time.monotonic() < deadline:
        try:
            client.read_task_run(parent)
        except ObjectNotFound:
            time.sleep(0.5)
        else:
            return True
    return False


def run_in_parent(flow: Flow[..., R], **parameters: Any) -> R:
    """Run `flow` as a sub-run of the task that started this process, or alone when no task did."""
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is None:
        return cast("R", flow(**parameters))
    with get_client(sync_client=True) as client:
        if not _parent_is_known(client, UUID(parent)):
            return cast("R", flow(**parameters))
        flow_run = client.create_flow_run(flow, parent_task_run_id=UUID(parent), state=Pending())
    return cast("R", run_flow(flow, flow_run=flow_run, parameters=parameters))


@contextmanager
def _process(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process in a group of its own; leaving early interrupts the whole group and waits for it.

    SIGINT, because DVC then waits for its stage and frees its locks; a parent may have been started with
    SIGINT ignored, and children inherit that, so it is restored.
    """
    process = subprocess.Popen(  # noqa: S603 - the command is DVC's, with stage names from DVC's own graph
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,  # noqa: PLW1509 - before any thread of ours
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(_GRACE_SECONDS)


def stream(command: list[str], extra: dict[str, str], on_line: Callable[[str], None]) -> int:
    """Run `python -m <command>`, hand over its output line by line, and return the exit code."""
    with _process([sys.executable, "-m", *command], os.environ | extra) as process:
        if process.stdout is None:
            raise RuntimeError("the process has no output to read")
        for line in process.stdout:
            on_line(line.rstrip())
        return process.wait()
