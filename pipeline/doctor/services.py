"""Whether the services that the environment names answer, and whether the local ones have their folders."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.doctor.finding import Finding

_AREA = "services"
_SECONDS = 3.0


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_SECONDS):
            return True
    except OSError:
        return False


def services() -> Iterator[Finding]:
    """Ray, Prefect's server, and Prefect's home."""
    yield _named("ray", "RAY_ADDRESS", "Ray starts on this machine with the run")
    yield _named("prefect", "PREFECT_API_URL", "a short-lived server starts with the run")
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
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        host, port = parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        host, port = None, None
    if host is None or port is None:
        text = f"{variable}={address} names no host and port: set it to HOST:PORT, or unset it"
        return Finding(_AREA, name, "problem", text)
    if not _answers(host, port):
        text = f"nobody answers at {variable}={address}: start it there, or unset the variable"
        return Finding(_AREA, name, "problem", text)
    return Finding(_AREA, name, "ok", f"{variable}={address} answers")
