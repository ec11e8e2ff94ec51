"""A small project with `zsad serve` running in it, and questions to its server by plain requests."""

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
import psutil

from tests.conftest import make_project, read_small_params
from tests.project import Project

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request

SECONDS = 400
CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

PROMPTS = """
states:
  normal: ["{}"]
  abnormal: ["damaged {}"]
templates:
  single: ["{}"]
"""

# CLIP that takes a second for each batch of images, so that a run can be met in the middle.
SLOW_METHOD = '''
"""CLIP, slowly."""

import time
from typing import ClassVar

from torch import Tensor

from pipeline.clip import Features
from pipeline.methods.base import Scores
from pipeline.methods.clip import ClipMethod


class SlowClip(ClipMethod):
    """CLIP that waits."""

    name: ClassVar[str] = "slow_clip"

    def score(self, features: Features, text: Tensor) -> Scores:
        """The scores of CLIP."""
        time.sleep(1)
        return super().score(features, text)
'''


T = TypeVar("T")


def watch_requests(page: "Page", *here: str) -> set[str]:
    """Addresses that a page asks beside those that start with one of `here`; to be read at the end.

    A request that the page's own policy stops never leaves the browser and is not among them.
    """
    outside: set[str] = set()

    def asked(request: "Request") -> None:
        if not request.url.startswith(here):
            outside.add(request.url)

    def failed(request: "Request") -> None:
        if request.failure == "csp":
            outside.discard(request.url)

    page.on("request", asked)
    page.on("requestfailed", failed)
    return outside


def wait_for(what: Callable[[], T | None], seconds: float = SECONDS) -> T:
    """The first answer of `what` that is neither None nor false."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := what():
            return answer
        time.sleep(0.2)
    raise AssertionError(f"{what} did not come true within {seconds} s")


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def slow_project(folder: Path) -> Project:
    """`clip` and `slow_clip` on two data sets in 4 subsets, on Ray, in a DVC project."""
    params = read_small_params()
    params |= {key: ["btad", "sdd"] for key in ("datasets", "auxiliaries")}
    params["methods"] = {name: {"layers": [8], "sigma": 1.0} for name in ("clip", "slow_clip")}
    params["compute"] |= {"backend": "ray", "cpus": 2, "batch": 8}
    project = make_project(folder, params)
    methods = folder / "pipeline" / "methods"
    (methods / "slow_clip.py").write_text(SLOW_METHOD)
    (methods / "prompts" / "slow_clip.yaml").write_text(PROMPTS)
    project.init_dvc()
    return project


@dataclass
class Served:
    """`zsad serve` in `project`."""

    project: Project
    port: int
    process: subprocess.Popen[str]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def auth(self) -> tuple[str, str]:
        """User and password, as its file has them."""
        user, _, password = (self.project.folder / ".prefect" / "password").read_text().strip().partition(":")
        return user, password

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        """A request with the password, past any proxy."""
        url = f"{self.address}/api{path}"
        return httpx.request(method, url, timeout=60, auth=self.auth, trust_env=False, **given)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self.ask("POST", path, json=body or {})
        while answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:  # its database is locked for the moment
            time.sleep(0.5)
            answer = self.ask("POST", path, json=body or {})
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def get(self, path: str) -> Any:
        return self.ask("GET", path).raise_for_status().json()

    def wait_until_ready(self) -> None:
        """Both deployments are registered."""

        def registered() -> bool:
            try:
                return len(self.post("/deployments/filter")) == 2
            except (httpx.HTTPError, FileNotFoundError):
                return False

        wait_for(registered)

    def start_run(self, **parameters: Any) -> str:
        """What Run on the page of `on-demand` does; returns the id of the run."""
        deployment = self.get("/deployments/name/benchmark/on-demand")
        made = self.post(f"/deployments/{deployment['id']}/create_flow_run", {"parameters": parameters})
        return str(made["id"])

    def set_state(self, run: str, **state: Any) -> Any:
        """What the buttons Cancel and Suspend do."""
        return self.post(f"/flow_runs/{run}/set_state", {"state": state})

    def state(self, run: str) -> str:
        """Name of a run's state; "" while the server is away."""
        try:
            return str(self.get(f"/flow_runs/{run}")["state_name"])
        except httpx.HTTPError:
            return ""

    def wait_for_state(self, run: str, *names: str, seconds: float = SECONDS) -> str:
        return wait_for(lambda: state if (state := self.state(run)) in names else None, seconds)

    def processes(self) -> list[psutil.Process]:
        """All that `zsad serve` and its children started and that still runs."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def working(self) -> list[str]:
        """Command lines of DVC, stages and Ray below `zsad serve`."""
        found = []
        for process in self.processes():
            try:
                line = " ".join(process.cmdline())
            except psutil.NoSuchProcess:
                continue
            if any(word in line for word in ("ray::", "/ray/", "dvc repro", "stages.")):
                found.append(line)
        return found

    def stop(self) -> None:
        """End it, and whatever it left behind."""
        if self.process.poll() is not None:
            return
        children = self.processes()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.communicate(timeout=90)
        finally:
            self.project.stop()
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()

    def cells(self) -> int:
        """Finished cells in the store."""
        return len(list((self.project.folder / ".zsad" / "cells").rglob("*.parquet")))


def start_serving(project: Project, *options: str, seconds: float = SECONDS) -> Served:
    """Start `zsad serve` on a free port and wait until it can take runs."""
    port = free_port()
    process = project.start("zsad", "serve", "--port", str(port), *options)
    served = Served(project, port, process)
    served.wait_until_ready()
    return served
