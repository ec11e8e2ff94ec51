"""Faults for workers: stand-ins for `pipeline.execution.worker.Worker` that break where a test wants.

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
from pipeline.execution.retries import LostWorkerError
from pipeline.execution.tasks import GroupTask, Report
from pipeline.execution.usage import Place
from pipeline.execution.worker import Worker, Workplace

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


class EndlessOnEndo(Worker):
    """A worker that hangs in the group of Endo."""

    def run(self, task: GroupTask) -> Report:
        if task.dataset == "endo":
            time.sleep(600)
        return super().run(task)


class StoppedOnEndo(Worker):
    """A worker that somebody stopped: it hears nothing, and does not end."""

    def run(self, task: GroupTask) -> Report:
        if task.dataset == "endo":
            os.kill(os.getpid(), signal.SIGSTOP)
        return super().run(task)


class SlowOverImages(Worker):
    """A worker whose tower takes a quarter of a second for each batch."""

    def run(self, task: GroupTask) -> Report:
        whole = Clip.encode_image

        def encode(clip: Clip, images: torch.Tensor, taps: Any) -> Any:
            time.sleep(0.25)
            return whole(clip, images, taps)

        Clip.encode_image = encode  # type: ignore[method-assign,assignment]
        return super().run(task)


HELD = "held"


class StoppedAsItEnters(Worker):
    """A worker that somebody stops, once, before it has said where it runs."""

    def enter(self, workplace: Workplace) -> Place:
        place = super().enter(workplace)
        if not Path(HELD).exists():
            Path(HELD).touch()
            os.kill(os.getpid(), signal.SIGSTOP)
        return place


class HeldOffTheHead(Worker):
    """A worker that hangs in the middle of a group on any node but the head, and leaves the file `HELD`."""

    def run(self, task: GroupTask) -> Report:
        node_id = ray.get_runtime_context().get_node_id()
        (resources,) = (node["Resources"] for node in ray.nodes() if node["NodeID"] == node_id)
        if "node:__internal_head__" not in resources:
            Path(HELD).touch()
            time.sleep(600)
        return super().run(task)


def once_held(then: Callable[[], object], over: Event) -> None:
    """Call `then` when a group hangs so, unless it is over before."""
    while not Path(HELD).exists() and not over.wait(0.05):
        pass
    then()


class DiesTwiceInHeadctAndIsShortInEndo(Worker):
    """A worker killed in the middle of the group of HeadCT, and the next one too; Endo finds memory short."""

    def run(self, task: GroupTask) -> Report:
        if task.dataset == "headct":
            deaths = len(list(Path().glob("death-*")))
            if deaths < 2:
                Path(f"death-{deaths}").touch()
                os.kill(os.getpid(), signal.SIGKILL)
        with short_memory() if task.dataset == "endo" else nullcontext():
            return super().run(task)


class TellsItsGpu(Worker):
    """A worker that computes nothing and tells on which GPU it would, where CUDA keeps that of its first use.

    A group waits for as many hundredths of a second as it has images. One of class `deadly` kills its
    worker; one of class `broken` finds that its GPU answers no more.
    """

    def run(self, task: GroupTask) -> Any:
        given = os.environ["CUDA_VISIBLE_DEVICES"]
        used = os.environ.setdefault("DEVICE_OF_THE_FIRST_USE", given)
        since = time.time()
        time.sleep(task.images / 100)
        if task.class_name == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        if task.class_name == "broken":
            raise LostWorkerError(f"its GPU answers no more: {os.getpid()}")
        return os.getpid(), given, used, since, time.time()
