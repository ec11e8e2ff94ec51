"""Whether what is installed, the machine, and the services around it are what the project wants.

Python and every package are compared with what the lock and the project pin, the machine with what `compute`
in params asks for. Services that the environment names have to answer; the local ones need their folders.
"""

import os
import resource
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from pipeline import process
from pipeline.errors import count, redacted
from pipeline.params import WORKER_BYTES, ComputeParams

Level = Literal["ok", "note", "problem"]

_ENVIRONMENT, _MACHINE, _SERVICES = "environment", "machine", "services"
_LOCK = Path("requirements.lock")
_PYTHONS = "3.11 to 3.14"
_SHOWN = 5
_FREE_BYTES = 2 * 2**30  # cells, results and features of the miniature many times over
_OPEN_FILES = 1024
_SHARED_BYTES = 75 * 2**20  # Ray's object store on this machine; beside it Ray would use slower files


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and what was found.

    `area` and `name` say what was looked at, `text` what was found and, for a problem, the next step. A
    `note` is worth knowing and stops nothing; a `problem` would stop a run or make it wrong.
    """

    area: str
    name: str
    level: Level
    text: str


def _wanted() -> list[Requirement]:
    """What the lock pins, or else what the installed package asks for, as far as it concerns this system."""
    if _LOCK.is_file():
        lines = (line for line in _LOCK.read_text(encoding="utf-8").splitlines() if line[:1].isalnum())
        texts = [line.rstrip(" \\") for line in lines]
    else:
        texts = metadata.requires("zsad") or []
    wanted = map(Requirement, texts)
    return [it for it in wanted if it.marker is None or it.marker.evaluate({"extra": ""})]


def _difference(wanted: Requirement) -> str | None:
    try:
        installed = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return f"{wanted.name} is missing"
    fits = wanted.specifier.contains(installed, prereleases=True)
    return None if fits else f"{wanted.name} is {installed}, not {wanted.specifier}"


def environment() -> Iterator[Finding]:
    """Python and every pinned package."""
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] <= (3, 14):
        yield Finding(_ENVIRONMENT, "python", "ok", version)
    else:
        yield Finding(_ENVIRONMENT, "python", "problem", f"{version}: the lock is made for {_PYTHONS}")
    try:
        wanted = _wanted()
    except metadata.PackageNotFoundError:
        text = f"no {_LOCK} here and no installed zsad: nothing to compare"
        yield Finding(_ENVIRONMENT, "packages", "note", text)
        return
    differences = [difference for it in wanted if (difference := _difference(it))]
    if not differences:
        yield Finding(_ENVIRONMENT, "packages", "ok", f"{len(wanted)} packages as asked for")
        return
    shown = "; ".join(differences[:_SHOWN]) + ("; ..." if len(differences) > _SHOWN else "")
    text = f"{len(differences)} of {len(wanted)} packages are not as asked for: {shown}; run `make env`"
    yield Finding(_ENVIRONMENT, "packages", "problem", text)


def hardware(compute: ComputeParams) -> Iterator[Finding]:
    """GPU, threads, memory, open files, disk and shared memory; as a container allows them."""
    yield _gpu(compute)
    yield _threads(compute)
    yield _memory(compute)
    yield _open_files()
    yield _space("disk", Path.cwd(), _FREE_BYTES, "problem")
    if Path("/dev/shm").is_dir():  # noqa: S108 - looked at, not written
        yield _space("shared memory", Path("/dev/shm"), _SHARED_BYTES, "note")  # noqa: S108 - likewise


def _gpu(compute: ComputeParams) -> Finding:
    import torch

    count = torch.cuda.device_count()
    names = ", ".join(torch.cuda.get_device_name(index) for index in range(count)) or "none"
    if os.environ.get("RAY_ADDRESS"):
        return Finding(_MACHINE, "gpu", "ok", f"{names} here; the cluster's count")
    if count < compute.gpus:
        text = f"compute.gpus is {compute.gpus}, torch sees {count} ({names}): lower it, or fix the driver"
        return Finding(_MACHINE, "gpu", "problem", text)
    if count > compute.gpus:
        return Finding(_MACHINE, "gpu", "note", f"{names}; compute.gpus is {compute.gpus}: set it to {count}")
    return Finding(_MACHINE, "gpu", "ok", names)


def _threads(compute: ComputeParams) -> Finding:
    cores, asked = process.processors(), compute.workers * compute.threads
    text = f"{compute.workers} workers of {compute.threads} threads on {cores} cores"
    if asked > cores:
        return Finding(_MACHINE, "threads", "note", f"{text}: they wait for each other")
    return Finding(_MACHINE, "threads", "ok", text)


def _memory(compute: ComputeParams) -> Finding:
    total = process.memory()
    text = f"{total / 2**30:.1f} GiB for {count(compute.workers, 'worker')}"
    if total < compute.workers * WORKER_BYTES:
        return Finding(_MACHINE, "memory", "note", f"{text}, 1 GiB each is advised: lower compute.cpus")
    return Finding(_MACHINE, "memory", "ok", text)


def _open_files() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= _OPEN_FILES:
        return Finding(_MACHINE, "open files", "ok", f"{soft} allowed")
    text = f"{soft} allowed, {_OPEN_FILES} are advised: `ulimit -n {_OPEN_FILES}` before a run"
    return Finding(_MACHINE, "open files", "note", text)


def _space(name: str, folder: Path, wanted: int, level: Level) -> Finding:
    free = shutil.disk_usage(folder).free
    text = f"{free / 2**30:.1f} GiB free in {folder}"
    if free >= wanted:
        return Finding(_MACHINE, name, "ok", text)
    short = f"{text}, {wanted / 2**30:.1f} GiB are advised: make room"
    return Finding(_MACHINE, name, level, short)


def services() -> Iterator[Finding]:
    """Ray, Prefect's server, and Prefect's home."""
    yield _named("ray", "RAY_ADDRESS", "Ray starts on this machine with the run")
    yield _named("prefect", "PREFECT_API_URL", "a run starts one of its own")
    home = Path(os.environ.get("PREFECT_HOME", Path.cwd() / ".prefect"))
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    if os.access(existing, os.W_OK):
        yield Finding(_SERVICES, "prefect home", "ok", str(home))
    else:
        text = f"{home} cannot be written: set PREFECT_HOME to a folder that can"
        yield Finding(_SERVICES, "prefect home", "problem", text)


def _named(name: str, variable: str, otherwise: str) -> Finding:
    """Whether somebody listens at the address in an environment variable."""
    address = os.environ.get(variable)
    if not address:
        return Finding(_SERVICES, name, "ok", f"{variable} is not set: {otherwise}")
    if name == "ray" and address == "auto":
        return Finding(_SERVICES, name, "ok", f"{variable}=auto: the Ray that runs on this machine")
    from pipeline.execution.cluster import answers, host_and_port  # late, as Ray comes with it

    found, shown = host_and_port(address), redacted(f"{variable}={address}")
    if found is None:
        text = f"{shown} names no host and port: set it to HOST:PORT, or unset it"
        return Finding(_SERVICES, name, "problem", text)
    if not answers(*found):
        text = f"nobody answers at {shown}: start it there, or unset the variable"
        return Finding(_SERVICES, name, "problem", text)
    return Finding(_SERVICES, name, "ok", f"{shown} answers")
