"""Faults for workers: stand-ins for `pipeline.execution.worker.run_on_node` that break it where a test wants.

They run on Ray workers, which share nothing with the test but files: `marks` is a folder for those.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Event
from typing import Any

import ray
import torch

from pipeline.clip import Clip
from pipeline.execution.tasks import GroupTask, Report
from pipeline.execution.usage import Place, here
from pipeline.execution.worker import Workplace, run_on_node

Items = Iterator[Place | Report]

FITS = 4


@contextmanager
def short_memory(most: int = FITS) -> Iterator[None]:
    """Let the tower of this process refuse more than `most` images at a time, as an allocator would."""
    whole = Clip.encode_image

    def encode(clip: Clip, images: torch.Tensor, taps: Any) -> Any:
        if len(images) > most:
            raise torch.OutOfMemoryError(f"no room for {len(images)} images")
        return whole(clip, images, taps)

    Clip.encode_image = encode  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        Clip.encode_image = whole  # type: ignore[method-assign]


def endless_on_endo(task: GroupTask, workplace: Workplace) -> Items:
    """A worker that hangs in the group of Endo."""
    yield here()
    if task.dataset == "endo":
        time.sleep(600)
    items = run_on_node(task, workplace)
    next(items)
    yield from items


HELD = "held"


def stopped_on_endo(task: GroupTask, workplace: Workplace) -> Items:
    """A worker that somebody stopped: it hears nothing, and does not end."""
    for item in run_on_node(task, workplace):
        yield item
        if task.dataset == "endo":
            os.kill(os.getpid(), signal.SIGSTOP)


def stopped_before_it_starts(task: GroupTask, workplace: Workplace) -> Items:
    """A worker that somebody stops, once, before it has said where it runs."""
    if task.dataset == "endo" and not Path(HELD).exists():
        Path(HELD).touch()
        os.kill(os.getpid(), signal.SIGSTOP)
    yield from run_on_node(task, workplace)


def held_off_the_head(task: GroupTask, workplace: Workplace) -> Items:
    """A worker that hangs in the middle of a group on any node but the head, and leaves the file `HELD`."""
    items = run_on_node(task, workplace)
    yield next(items)
    node_id = ray.get_runtime_context().get_node_id()
    (resources,) = (node["Resources"] for node in ray.nodes() if node["NodeID"] == node_id)
    if "node:__internal_head__" not in resources:
        Path(HELD).touch()
        time.sleep(600)
    yield from items


def once_held(then: Callable[[], object], over: Event) -> None:
    """Call `then` when a group hangs so, unless it is over before."""
    while not Path(HELD).exists() and not over.wait(0.05):
        pass
    then()


def dies_twice_in_headct_and_short_on_endo(task: GroupTask, workplace: Workplace) -> Items:
    """A worker killed in the middle of the group of HeadCT, and the next one too; Endo finds memory short."""
    items = run_on_node(task, workplace)
    yield next(items)
    if task.dataset == "headct":
        deaths = len(list(Path().glob("death-*")))
        if deaths < 2:
            Path(f"death-{deaths}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
    with short_memory() if task.dataset == "endo" else nullcontext():
        yield from items
