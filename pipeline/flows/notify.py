"""One line to whoever wants to know how a run ended, by a command or a web hook.

`ZSAD_NOTIFY` in the environment of `zsad serve` says how: an address that starts with http:// or https://
gets a POST of `{"text": line}`; anything else is a command that gets the line as its last argument. The
address may hold a token, so it appears in no message.
"""

import os
import re
import shlex
import subprocess
from typing import Any

import httpx
from prefect import Flow
from prefect.client.schemas import FlowRun, State
from prefect.logging.loggers import flow_run_logger

from pipeline.redaction import redacted

VARIABLE = "ZSAD_NOTIFY"
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
