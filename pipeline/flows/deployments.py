"""The process that waits for runs and starts them: `python -m pipeline.flows.deployments CRON PARENT`.

Two deployments of the same flow: `nightly` has the schedule, `on-demand` is for the button. They share one
place, so that never two runs want the one GPU and the one DVC project. `zsad serve` starts this process,
which ends with it, and cancels its run then as it does when it is interrupted.
"""

import os
import signal
import sys
from typing import cast

from prefect import serve
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType
from tzlocal import get_localzone_name

from pipeline.flows.benchmark import benchmark
from pipeline.orphans import end_with


def main(cron: str) -> None:
    """Register the deployments with the server of `PREFECT_API_URL` and run what is due, until stopped."""
    nightly = benchmark.to_deployment(
        "nightly",
        schedule=Cron(cron, timezone=get_localzone_name() or "UTC"),
        description="params.yaml as it stands, on a schedule",
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    on_demand = benchmark.to_deployment(
        "on-demand",
        description="the profile, methods and data sets that you choose; params.yaml as it stands for none",
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    # Called outside of any event loop, both are deployments and not coroutines.
    serve(
        cast("RunnerDeployment", nightly),
        cast("RunnerDeployment", on_demand),
        limit=1,
        pause_on_shutdown=False,
        print_starting_message=False,
    )


if __name__ == "__main__":
    end_with(int(sys.argv[2]), lambda: os.kill(os.getpid(), signal.SIGINT))
    main(sys.argv[1])
