"""Whether the services that the environment names answer, and whether the local ones have their folders."""

import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.doctor.finding import Finding
from pipeline.execution.addresses import answers, host_and_port
from pipeline.redaction import redacted

_AREA = "services"


def services() -> Iterator[Finding]:
    """Ray, Prefect's server, and Prefect's home."""
    yield _named("ray", "RAY_ADDRESS", "Ray starts on this machine with the run")
    yield _named("prefect", "PREFECT_API_URL", "a run starts one of its own")
    home = Path(os.environ.get("PREFECT_HOME", Path.cwd() / ".prefect"))
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    if os.access(existing, os.W_OK):
        yield Finding(_AREA, "prefect home", "ok", str(home))
    else:
        text = f"{home} cannot be written: set PREFECT_HOME to a folder that can"
        yield Finding(_AREA, "prefect home", "problem", text)


def _named(name: str, variable: str, otherwise: str) -> Finding:
    """Whether somebody listens at the address in an environment variable."""
    address = os.environ.get(variable)
    if not address:
        return Finding(_AREA, name, "ok", f"{variable} is not set: {otherwise}")
    if name == "ray" and address == "auto":
        return Finding(_AREA, name, "ok", f"{variable}=auto: the Ray that runs on this machine")
    found, shown = host_and_port(address), redacted(f"{variable}={address}")
    if found is None:
        text = f"{shown} names no host and port: set it to HOST:PORT, or unset it"
        return Finding(_AREA, name, "problem", text)
    if not answers(*found):
        text = f"nobody answers at {shown}: start it there, or unset the variable"
        return Finding(_AREA, name, "problem", text)
    return Finding(_AREA, name, "ok", f"{shown} answers")
