"""Ray nodes of one CPU each on this machine: processes of their own, with addresses of their own on loopback.

What `ray start --head` and `ray start --address` make on two machines. Benchmarks and tests share it.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pipeline.execution  # noqa: F401 - its settings must be there before Ray is started

_STORE_BYTES = 75 * 2**20
_SECONDS = 120
_OURS = {"RAY_ADDRESS", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"}
"""Settings of a process that uses a cluster, or keeps its Ray to itself; not of a node of one."""


@dataclass(frozen=True)
class Nodes:
    """A running cluster: what `RAY_ADDRESS` is to be, and the process of each node, the head first."""

    address: str
    processes: list[subprocess.Popen[str]]


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _start(folder: Path, host: str, *options: str) -> subprocess.Popen[str]:
    """Start a node and wait until it is up."""
    ray = Path(sys.executable).parent / "ray"
    log = folder / f"{host}.log"
    size = ("--num-cpus=1", "--num-gpus=0", f"--object-store-memory={_STORE_BYTES}", "--block")
    environment = {name: value for name, value in os.environ.items() if name not in _OURS}
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: S603 - Ray's own command
            [str(ray), "start", f"--node-ip-address={host}", *options, *size],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            text=True,
            start_new_session=True,
        )
    deadline = time.monotonic() + _SECONDS
    while "Ray runtime started" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Ray on {host} did not start:\n{log.read_text()}")
        time.sleep(0.1)
    return process


@contextmanager
def ray_nodes(count: int) -> Iterator[Nodes]:
    """A cluster of `count` nodes on 127.0.0.2 and up, ended at the end."""
    nodes: list[subprocess.Popen[str]] = []
    with tempfile.TemporaryDirectory(prefix="nodes", ignore_cleanup_errors=True) as name:
        folder, head = Path(name), "127.0.0.2"
        address = f"{head}:{_free_port(head)}"
        port = address.rpartition(":")[2]
        try:
            for number in range(count):
                first = ("--head", f"--port={port}", f"--temp-dir={name}", "--include-dashboard=false")
                options = (f"--address={address}",) if number else first
                nodes.append(_start(folder, f"127.0.0.{2 + number}", *options))
            yield Nodes(address, nodes)
        finally:
            for process in reversed(nodes):
                process.send_signal(signal.SIGTERM)
            for process in nodes:
                process.wait(_SECONDS)
