"""A Ray of this run's own, on this machine, for this user alone; a start that fails is tried again.

Whoever reaches a Ray's ports runs code as its owner, so this one asks for a token (see `pipeline.execution`),
and everything else that it opens, sockets, logs and spilled objects, lies in a folder that is ours alone. Ray
opens up the folder that it is given to everybody (ray-project/ray#3591), so it gets one inside a closed one.
The names of sockets are short (107 bytes, of which Ray takes 65): a temporary folder with a long name is not
used for them.
"""

import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray

from pipeline.errors import ZsadError, as_message
from pipeline.params import ComputeParams

_STORE_BYTES = 75 * 2**20  # only rows of finished cells pass through it; fits a container's small /dev/shm
_LONGEST = 107 - 65  # bytes of a folder's name
_ELSEWHERE = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - a folder of our own is made there
_TRIES = 3
_PAUSE_SECONDS = 5.0


class ClusterError(ZsadError):
    """A Ray that cannot be started or reached, or cannot run this benchmark."""


def first_line(error: BaseException) -> str:
    """What Ray says before it explains at length."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def init_ray(**options: Any) -> None:
    """Start or join Ray, without its remarks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        ray.init(logging_level="ERROR", **options)


@contextmanager
def local_ray(compute: ComputeParams) -> Iterator[None]:
    """Ray is up on this machine, as large as params say, inside the `with` block.

    Raises:
        ClusterError: it does not start, several times in a row.
    """
    with _session_folder() as folder:
        _start(compute, folder)
        try:
            yield
        finally:
            ray.shutdown()


def _start(compute: ComputeParams, folder: Path) -> None:
    for left in reversed(range(_TRIES)):
        try:
            init_ray(
                address="local",
                num_cpus=compute.workers * compute.threads,
                num_gpus=compute.gpus,
                include_dashboard=False,
                object_store_memory=_STORE_BYTES,
                _node_ip_address="127.0.0.1",
                _temp_dir=str(folder),
            )
        except Exception as error:  # Ray raises plain ones, too
            ray.shutdown()  # what of it has started
            reason = (as_message(error) if isinstance(error, OSError) else None) or first_line(error)
            if not left:
                raise ClusterError(
                    f"Ray does not start on this machine ({reason}; tried {_TRIES} times): wait until it is "
                    "less busy, look at its free memory and the room in /dev/shm, or set compute.backend to "
                    "serial"
                ) from error
            sys.stderr.write(f"Ray does not start ({reason}); trying again\n")
            time.sleep(_PAUSE_SECONDS)
        else:
            return


@contextmanager
def _session_folder() -> Iterator[Path]:
    """A folder for Ray's session that nobody else can enter; gone at the end."""
    closed = Path(tempfile.mkdtemp(prefix="zsad-", dir=_place()))
    try:
        yield closed / "r"
    finally:
        shutil.rmtree(closed, ignore_errors=True)


def _place() -> str:
    """The first folder for temporary files with a short name in which one can write."""
    added = len("/zsad-12345678/r")
    places = (tempfile.gettempdir(), *_ELSEWHERE)
    for place in places:
        if len(os.fsencode(place)) + added <= _LONGEST and os.access(place, os.W_OK | os.X_OK):
            return place
    raise ClusterError(
        f"no folder for Ray's sockets: of {', '.join(places)} none can be written and has a name of at most "
        f"{_LONGEST - added} bytes; set TMPDIR to such a folder, or compute.backend to serial"
    )
