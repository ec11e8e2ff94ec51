"""Whether what is installed, the machine, and the services around it are what the project wants.

Python and every package are compared with what the lock and the project pin, the machine with what `compute`
in params asks for. Services that the environment names have to answer; the local ones need their folders.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from pipeline.doctor.finding import Finding, Level
from pipeline.execution.ray import answers, host_and_port
from pipeline.params import ComputeParams
from pipeline.redaction import redacted

_ENVIRONMENT, _MACHINE, _SERVICES = "environment", "machine", "services"
_LOCK = Path("requirements.lock")
_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", re.MULTILINE)
_SHOWN = 5
_FREE_BYTES = 2 * 2**30  # cells, results and features of the miniature many times over
_SHARED_BYTES = 75 * 2**20  # Ray's object store on this machine; beside it Ray would use slower files


def _pins() -> dict[str, str]:
    """Name to pinned version: of the project's own requirements and, where there is one, of the lock."""
    try:
        required = metadata.requires("zsad") or []
    except metadata.PackageNotFoundError:
        required = []
    own = "\n".join(requirement for requirement in required if "extra ==" not in requirement)
    lock = _LOCK.read_text(encoding="utf-8") if _LOCK.is_file() else ""
    return dict(_PIN.findall(own)) | dict(_PIN.findall(lock))


def _difference(name: str, pinned: str) -> str | None:
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is missing"
    # A build of torch names its CUDA behind a plus sign.
    same = installed.split("+")[0] == pinned.split("+", maxsplit=1)[0]
    return None if same else f"{name} is {installed}, not {pinned}"


def environment() -> Iterator[Finding]:
    """Python and every pinned package."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] == (3, 11):
        yield Finding(_ENVIRONMENT, "python", "ok", version)
    else:
        yield Finding(_ENVIRONMENT, "python", "problem", f"{version}: the lock is made for 3.11; use that")
    pins = _pins()
    if not pins:
        yield Finding(
            _ENVIRONMENT, "packages", "note", f"no {_LOCK} here and no installed zsad: nothing to compare"
        )
        return
    differences = [text for name, pinned in sorted(pins.items()) if (text := _difference(name, pinned))]
    if not differences:
        yield Finding(_ENVIRONMENT, "packages", "ok", f"{len(pins)} packages as pinned")
        return
    shown = "; ".join(differences[:_SHOWN]) + ("; ..." if len(differences) > _SHOWN else "")
    text = f"{len(differences)} of {len(pins)} packages are not as pinned: {shown}; run `make env`"
    yield Finding(_ENVIRONMENT, "packages", "problem", text)


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
        return Finding(_MACHINE, "gpu", "ok", f"{names} here; the cluster's count")
    if count < compute.gpus:
        text = f"compute.gpus is {compute.gpus}, torch sees {count} ({names}): lower it, or fix the driver"
        return Finding(_MACHINE, "gpu", "problem", text)
    if count > compute.gpus:
        return Finding(_MACHINE, "gpu", "note", f"{names}; compute.gpus is {compute.gpus}: set it to {count}")
    return Finding(_MACHINE, "gpu", "ok", names)


def _threads(compute: ComputeParams) -> Finding:
    cores, asked = len(os.sched_getaffinity(0)), compute.workers * compute.threads
    text = f"{compute.workers} workers of {compute.threads} threads on {cores} cores"
    if asked > cores:
        return Finding(_MACHINE, "threads", "note", f"{text}: they wait for each other")
    return Finding(_MACHINE, "threads", "ok", text)


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
    found, shown = host_and_port(address), redacted(f"{variable}={address}")
    if found is None:
        text = f"{shown} names no host and port: set it to HOST:PORT, or unset it"
        return Finding(_SERVICES, name, "problem", text)
    if not answers(*found):
        text = f"nobody answers at {shown}: start it there, or unset the variable"
        return Finding(_SERVICES, name, "problem", text)
    return Finding(_SERVICES, name, "ok", f"{shown} answers")
