"""Instances of a stage side by side, each on a GPU of its own: what is tuned on several auxiliary sets.

`dvc repro` runs them one after the other. DVC gives its lock back while a stage runs, so several DVCs bring
one instance each; one waits for the lock while another writes down what it did. A GPU that is free takes the
next instance.
"""

import os
from collections.abc import Sequence
from queue import SimpleQueue
from threading import Event

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import State
from prefect.futures import wait

from pipeline.execution.retries import StoppedError
from pipeline.flows.dvc_stages import bring, pause_wanted
from pipeline.flows.interrupts import cancellable
from pipeline.params import ComputeParams

_VISIBLE = "CUDA_VISIBLE_DEVICES"


def own_gpus(compute: ComputeParams) -> list[str]:
    """The GPUs of this machine that a run may use, as `CUDA_VISIBLE_DEVICES` calls them."""
    if not compute.gpus:
        return []
    import torch  # late: where there are none the flow needs it not

    found = torch.cuda.device_count()
    named = os.environ.get(_VISIBLE)
    return (named.split(",") if named else [str(number) for number in range(found)])[
        : min(compute.gpus, found)
    ]


def run_side_by_side(instances: Sequence[str], gpus: Sequence[str]) -> list[State[None]]:
    """Bring every instance of a stage up to date, as many at a time as there are `gpus`; how each ended."""
    free: SimpleQueue[str] = SimpleQueue()
    for gpu in gpus:
        free.put(gpu)
    over, paused = Event(), pause_wanted()

    # Closes over the queue: Prefect would walk through whatever is passed as an argument.
    @task(name="stage", task_run_name="{stage}", cache_policy=NO_CACHE)
    @cancellable
    def on_a_gpu(stage: str) -> State[None]:
        gpu = free.get()
        try:
            if over.is_set():
                raise StoppedError
            return bring(stage, {_VISIBLE: gpu}, stopped=over.is_set, paused=paused)
        finally:
            free.put(gpu)

    futures = [on_a_gpu.submit(instance) for instance in instances]
    try:
        wait(futures)
    except BaseException:
        over.set()
        wait(futures)  # until DVC has ended what it runs
        raise
    return [future.state for future in futures]
