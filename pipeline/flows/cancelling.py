"""Cancel what a runner has under way, and wait until it is over: what the Cancel button does, for all runs.

By plain requests, because `zsad serve` itself does not load Prefect.
"""

import time
from contextlib import suppress
from typing import Any

import httpx

_POLL_SECONDS = 0.5
_WAIT_SECONDS = 40  # Prefect's runner gives a run 30 before it kills it
_UNDER_WAY = ("PENDING", "RUNNING", "CANCELLING")


def cancel_served_runs(api: str) -> None:
    """Cancel the runs of deployments that are under way at the server `api`, and wait for their end.

    A server that does not answer has no runs to cancel.
    """
    with suppress(httpx.HTTPError), httpx.Client(base_url=api, timeout=5) as client:
        for run in _under_way(client):
            client.post(f"/flow_runs/{run}/set_state", json={"state": {"type": "CANCELLING"}})
        deadline = time.monotonic() + _WAIT_SECONDS
        while _under_way(client) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)


def _under_way(client: httpx.Client) -> list[str]:
    wanted = {
        "flow_runs": {
            "state": {"type": {"any_": _UNDER_WAY}},
            "deployment_id": {"is_null_": False},
        }
    }
    answer = client.post("/flow_runs/filter", json=wanted).raise_for_status()
    runs: list[dict[str, Any]] = answer.json()
    return [str(run["id"]) for run in runs]
