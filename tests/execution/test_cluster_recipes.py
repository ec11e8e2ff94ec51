"""The Slurm and Kubernetes recipes of docs/how-to/cluster.md, as far as a test without a cluster can go.

The Slurm script runs as it stands, with a `srun` that starts a process a node, each with an address of its
own on loopback. The schema of KubeRay's RayJob (ray.io/v1, KubeRay 1.7) is written down as far as the recipe
uses it.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.docs.blocks import blocks
from tests.execution.running import CELLS, evaluate, forget, use_plain_methods
from tests.project import ROOT, SECONDS, Project

PAGE = Path("docs/how-to/cluster.md")
FOLDER = "/srv/zsad"
SHEBANG = "#!/bin/bash\n"


def recipe(language: str) -> str:
    """The text of the one block of a language."""
    (block,) = [block for block in blocks(PAGE, (ROOT / PAGE).read_text()) if block.language == language]
    return block.text


def bash_accepts(script: str) -> bool:
    return subprocess.run(["bash", "-n", "-c", script], capture_output=True, check=False).returncode == 0


# --- Kubernetes

TEXT, NUMBER, FLAG, ANY = str, int, bool, object
CONTAINER = {
    "name!": TEXT,
    "image!": TEXT,
    "resources!": {"limits!": {"cpu!": TEXT, "memory!": TEXT, "nvidia.com/gpu!": TEXT}},
    "volumeMounts": [{"name!": TEXT, "mountPath!": TEXT}],
}
VOLUME = {"name!": TEXT, "persistentVolumeClaim!": {"claimName!": TEXT}}
POD = {"spec!": {"containers!": [CONTAINER], "volumes": [VOLUME]}}
# Ray's own options are passed on as text; the addresses that it listens on are the operator's to choose.
START = {"object-store-memory!": TEXT}
WORKERS = {
    "groupName!": TEXT,
    "replicas": NUMBER,
    "minReplicas!": NUMBER,
    "maxReplicas!": NUMBER,
    "rayStartParams!": START,
    "template!": POD,
}
CLUSTER = {
    "rayVersion!": TEXT,  # without it the operator refuses a token
    "authOptions!": {"mode!": TEXT},
    "headGroupSpec!": {"rayStartParams!": START, "template!": POD},
    "workerGroupSpecs": [WORKERS],
}
RAY_JOB = {
    "apiVersion!": TEXT,
    "kind!": TEXT,
    "metadata!": {"name!": TEXT},
    "spec!": {"entrypoint!": TEXT, "shutdownAfterJobFinishes": FLAG, "rayClusterSpec!": CLUSTER},
}


def faults_of(value: Any, schema: Any, place: str = "") -> Iterator[str]:
    """Where `value` is not what `schema` says: a key with `!` must be there, no other key may."""
    if isinstance(schema, list):
        for number, item in enumerate(value):
            yield from faults_of(item, schema[0], f"{place}[{number}]")
    elif isinstance(schema, dict):
        known = {key.rstrip("!"): inner for key, inner in schema.items()}
        yield from (f"{place}.{key} is unknown" for key in value.keys() - known.keys())
        needed = {key.rstrip("!") for key in schema if key.endswith("!")}
        yield from (f"{place}.{key} is missing" for key in needed - value.keys())
        for key in value.keys() & known.keys():
            yield from faults_of(value[key], known[key], f"{place}.{key}")
    elif type(value) is not schema:
        yield f"{place} is {value!r}"


@pytest.fixture(scope="module")
def ray_job() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(recipe("yaml"))
    return loaded


def pods(job: dict[str, Any]) -> list[dict[str, Any]]:
    """The head's, then those of the workers."""
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


def test_the_ray_job_is_one_by_its_schema(ray_job: dict[str, Any]) -> None:
    assert list(faults_of(ray_job, RAY_JOB)) == []
    assert (ray_job["apiVersion"], ray_job["kind"]) == ("ray.io/v1", "RayJob")


def test_the_schema_would_notice(ray_job: dict[str, Any]) -> None:
    spec = ray_job["spec"]["rayClusterSpec"]
    broken = {**spec, "authOption": {}, "rayVersion": 2.6}
    del broken["authOptions"]
    assert sorted(faults_of(broken, CLUSTER)) == [
        ".authOption is unknown",
        ".authOptions is missing",
        ".rayVersion is 2.6",
    ]


def test_the_cluster_asks_for_a_token_and_opens_nothing_else(ray_job: dict[str, Any]) -> None:
    cluster = ray_job["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}  # anything else leaves Ray open to the whole cluster
    starts = [group["rayStartParams"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
    assert all(start == starts[0] for start in starts)


def test_every_pod_can_work_where_the_project_is(ray_job: dict[str, Any]) -> None:
    assert f"cd {FOLDER} && " in ray_job["spec"]["entrypoint"]
    assert bash_accepts(ray_job["spec"]["entrypoint"])
    for pod in pods(ray_job):
        (container,) = pod["containers"]
        (mount,) = container["volumeMounts"]
        assert mount["mountPath"] == FOLDER
        assert mount["name"] in {volume["name"] for volume in pod["volumes"]}
        # The head's too: training is the driver's own work.
        assert int(container["resources"]["limits"]["nvidia.com/gpu"]) == 1
    assert len({pod["containers"][0]["image"] for pod in pods(ray_job)}) == 1


def test_the_image_has_the_versions_of_the_environment(ray_job: dict[str, Any]) -> None:
    image = recipe("dockerfile")
    lock = (ROOT / "requirements.lock").read_text()
    (ray,) = re.findall(r"^ray==(\S+)", lock, re.MULTILINE)
    assert ray_job["spec"]["rayClusterSpec"]["rayVersion"] == ray
    assert f'"ray[default]=={ray}"' in image  # the operator asks the dashboard
    assert "FROM python:3.11" in image
    pinned = set(re.findall(r"torch(?:vision)?==[\d.]+", (ROOT / "Makefile").read_text()))
    assert set(re.findall(r"torch(?:vision)?==[\d.]+", image)) == pinned


# --- Slurm

SRUN = """#!/bin/bash
# One process a node; what a step does not inherit has to be asked for.
[ "$1 $2" = "--overlap --kill-on-bad-exit" ] && shift 2
export SLURM_CPUS_PER_TASK=${SRUN_CPUS_PER_TASK:?}
for SLURM_NODEID in 0 1; do SLURM_NODEID=$SLURM_NODEID NODE=127.0.0.$((2 + SLURM_NODEID)) "$@" & done
wait -n || kill $(jobs -p)
wait
"""
HOSTNAME = f"{SHEBANG}echo 127.0.0.2\n"
RAY = f"""{SHEBANG}[ "$1" = start ] && set -- "$@" --node-ip-address="$NODE"
exec {sys.executable} -m ray.scripts.scripts "$@"
"""
# The driver's part: both nodes come, a stranger is not let in, and the stage uses the cluster.
BOTH = """
import os, ray, time
ray.init(os.environ["RAY_ADDRESS"], logging_level="ERROR")
while len(ray.nodes()) < 2:
    time.sleep(0.5)
print([node["NodeManagerAddress"] for node in ray.nodes()])
"""
DVC = f"""{SHEBANG}{sys.executable} -c '{BOTH}' > nodes.txt
RAY_AUTH_TOKEN={"0" * 64} {sys.executable} -m stages.evaluate > stranger.txt 2>&1
env -u RAY_AUTH_MODE {sys.executable} -m stages.evaluate > tokenless.txt 2>&1
exec {sys.executable} -m stages.evaluate
"""


@pytest.fixture
def slurm(trained: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project in which `srun`, `hostname`, and the environment in `.venv` are those of two nodes."""
    tools = trained.folder / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name, text in {"srun": SRUN, "hostname": HOSTNAME, "ray": RAY, "dvc": DVC}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"JOB_ID": os.getpid(), "CPUS_PER_TASK": 1, "JOB_NUM_NODES": 2}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    with tempfile.TemporaryDirectory(prefix="slurm", ignore_cleanup_errors=True) as short:
        monkeypatch.setenv("RAY_TMPDIR", short)
        yield trained


def end_steps(group: int) -> None:
    """What Slurm does to the steps of a job that is over; a Ray node ends its own processes then."""
    steps = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(process.pid) == group:
                steps.append(process)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)
    psutil.wait_procs(steps, timeout=60)


def test_bash_accepts_the_slurm_script() -> None:
    script = recipe("bash")
    assert script.startswith(SHEBANG)
    (step,) = re.findall("bash -c '(.*?)' &", script, re.DOTALL)
    assert bash_accepts(script)
    assert bash_accepts(step)
    assert not bash_accepts(step.replace("done", ""))


@pytest.mark.soak
@pytest.mark.ray
@pytest.mark.timeout(3 * SECONDS)
def test_the_slurm_script_runs_on_two_nodes_with_a_token(slurm: Project) -> None:
    use_plain_methods(slurm)
    assert evaluate().complete
    serial = slurm.files("results/miniature/metrics")
    forget(slurm)
    slurm.set_param("compute.backend", "ray")
    script = recipe("bash")
    assert FOLDER in script
    process = slurm.start("bash", "-c", script.replace(FOLDER, str(slurm.folder)))
    try:
        process.wait(2 * SECONDS)
    finally:
        end_steps(process.pid)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    nodes = (slurm.folder / "nodes.txt").read_text()
    assert "127.0.0.2" in nodes
    assert "127.0.0.3" in nodes
    for stranger in ("stranger.txt", "tokenless.txt"):
        told = (slurm.folder / stranger).read_text()
        assert re.search(
            r"^error: RAY_ADDRESS=127\.0\.0\.2:\d+ cannot be joined .*token", told, re.MULTILINE
        ), told
    assert slurm.files("results/miniature/metrics") == serial
    last = max((slurm.folder / ".zsad" / "runs").glob("*.jsonl"), key=lambda log: log.stat().st_mtime)
    events = [json.loads(line) for line in last.read_text().splitlines()]
    assert events[0]["ray_address"].startswith("127.0.0.2:")
    assert (events[-1]["event"], events[-1]["run"]) == ("run_finished", CELLS)
