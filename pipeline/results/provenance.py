"""The sidecar `run.json`: what differs from run to run and must therefore stay out of the result files.

Versions of libraries, the git revision, the machine, when it ended and how long things took. Nothing is
computed from it.
"""

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from pipeline.files import write_json
from pipeline.process import git_environment
from pipeline.results.schema import SCHEMA_VERSION

_LIBRARIES: Final = (
    "dvc",
    "numpy",
    "open_clip_torch",
    "pandas",
    "pillow",
    "prefect",
    "pyarrow",
    "ray",
    "scipy",
    "torch",
    "zsad",
)


def write_run(
    path: Path, *, seconds: Mapping[str, float], cells: Mapping[str, int], repository: Path
) -> None:
    """Write `run.json` of one run.

    Args:
        path: the file to write.
        seconds: wall time of each part of the run, by name.
        cells: how many cells there were of each kind, such as run, reused and failed.
        repository: a folder of the git checkout whose revision is recorded.
    """
    content = {
        "schema_version": SCHEMA_VERSION,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "cells": dict(cells),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "libraries": library_versions(),
        "git": git_revision(repository),
        "machine": {
            "platform": platform.platform(),
            "python": platform.python_version(),
            "processors": os.cpu_count(),
        },
    }
    write_json(path, content)


def library_versions() -> dict[str, str | None]:
    """Installed version of each library that a number depends on; `None` where it is not installed."""
    return {name: _version(name) for name in _LIBRARIES}


def git_revision(repository: Path) -> dict[str, Any] | None:
    """Commit of the checkout and whether files differ from it; `None` outside a checkout or without git."""
    commit = _git(repository, "rev-parse", "HEAD")
    changes = _git(repository, "status", "--porcelain")
    if commit is None or changes is None:
        return None
    return {"commit": commit, "changed": bool(changes)}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git(repository: Path, *arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", "-C", str(repository), *arguments]
    try:
        done = subprocess.run(  # noqa: S603
            command, env=git_environment(), capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
