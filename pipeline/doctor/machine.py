"""Whether the machine can do what `compute` in params asks for."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from pipeline.doctor.finding import Finding, Level
from pipeline.params import ComputeParams

_AREA = "machine"
_FREE_BYTES = 2 * 2**30  # cells, results and features of the miniature many times over
_SHARED_BYTES = 75 * 2**20  # Ray's object store on this machine; beside it Ray would use slower files


def machine(compute: ComputeParams) -> Iterator[Finding]:
    """GPU, threads, disk and shared memory."""
    yield _gpu(compute)
    yield _threads(compute)
    yield _space("disk", Path.cwd(), _FREE_BYTES, "problem")
    if Path("/dev/shm").is_dir():  # noqa: S108 - looked at, not written
        yield _space("shared memory", Path("/dev/shm"), _SHARED_BYTES, "note")  # noqa: S108 - likewise


def _gpu(compute: ComputeParams) -> Finding:
    import torch

    count = torch.cuda.device_count()
    names = ", ".join(torch.cuda.get_device_name(index) for index in range(count)) or "none"
    if os.environ.get("RAY_ADDRESS"):
        return Finding(_AREA, "gpu", "ok", f"{names} here; the cluster's count")
    if count < compute.gpus:
        text = f"compute.gpus is {compute.gpus}, torch sees {count} ({names}): lower it or mend the driver"
        return Finding(_AREA, "gpu", "problem", text)
    if count > compute.gpus:
        return Finding(_AREA, "gpu", "note", f"{names}; compute.gpus is {compute.gpus}: set it to {count}")
    return Finding(_AREA, "gpu", "ok", names)


def _threads(compute: ComputeParams) -> Finding:
    cores, asked = len(os.sched_getaffinity(0)), compute.workers * compute.threads
    text = f"{compute.workers} workers of {compute.threads} threads on {cores} cores"
    if asked > cores:
        return Finding(_AREA, "threads", "note", f"{text}: they will wait for each other")
    return Finding(_AREA, "threads", "ok", text)


def _space(name: str, folder: Path, wanted: int, level: Level) -> Finding:
    free = shutil.disk_usage(folder).free
    text = f"{free / 2**30:.1f} GiB free in {folder}"
    if free >= wanted:
        return Finding(_AREA, name, "ok", text)
    short = f"{text}, {wanted / 2**30:.1f} GiB are advised: make room"
    return Finding(_AREA, name, level, short)
