"""A run on a local Ray with secrets in its environment: what listens meanwhile, and what is written down.

One method fails with every secret in its message, so that each has a way out.
"""

import gzip
import hashlib
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from pipeline.cli import main
from tests.leaks import leaks, views
from tests.project import ROOT, SECONDS, Project
from tests.sockets import beyond_loopback, listening


def _drawn(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]


PASSWORD, BOT = _drawn("password"), f"bot123456789:{_drawn('bot')}"
SECRETS = {
    "KAGGLE_KEY": _drawn("kaggle"),
    "KAGGLE_API_TOKEN": _drawn("kaggle token"),
    "HF_TOKEN": f"hf_{_drawn('hf')}",
    "RAY_AUTH_TOKEN": _drawn("ray"),
    "PREFECT_API_KEY": f"pnu_{_drawn('prefect')}",
    "HTTPS_PROXY": f"http://reader:{PASSWORD}@127.0.0.1:9",
    "ZSAD_NOTIFY": f"https://chat.example.org/{BOT}/sendMessage",
}
SOUGHT = {name: value for name, value in SECRETS.items() if "://" not in value} | {
    "the proxy's password": PASSWORD,
    "the bot": BOT,
}
TELLTALE = '''
"""CLIP that fails and tells all that it knows."""

import os
from typing import ClassVar

from torch import Tensor

from pipeline.clip import Features
from pipeline.methods.base import Scores
from pipeline.methods.clip import ClipMethod


class Telltale(ClipMethod):
    """Fails at the first batch."""

    name: ClassVar[str] = "telltale"

    def score(self, features: Features, text: Tensor) -> Scores:
        """No scores."""
        raise RuntimeError(f"no answer to {[os.environ[name] for name in NAMES]}")
'''


@dataclass(frozen=True)
class Ran:
    """What a run left: its folders, what it printed, and who listened where while it went on."""

    project: Project
    ray: Path
    printed: str
    listened: dict[str, set[str]]

    def files(self) -> list[Path]:
        """All that was written, and what was printed."""
        return [path for folder in (self.project.folder, self.ray) for path in folder.rglob("*")]


def _add_telltale(project: Project) -> None:
    methods = project.folder / "pipeline" / "methods"
    (methods / "telltale.py").write_text(f"{TELLTALE}\n\nNAMES = {list(SECRETS)}\n")
    shutil.copy(methods / "prompts" / "clip.yaml", methods / "prompts" / "telltale.yaml")
    project.set_param("methods", {name: {"layers": [8], "sigma": 1.0} for name in ("clip", "telltale")})
    project.set_param("compute.backend", "ray")


def _watch(process: subprocess.Popen[str]) -> dict[str, set[str]]:
    """Who listens where, looked at until the process ends."""
    listened: dict[str, set[str]] = {}
    deadline = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        for address, names in listening(process.pid).items():
            listened.setdefault(address, set()).update(names)
        time.sleep(0.5)
    return listened


def _said(*command: str, code: int = 0) -> str:
    """What a command prints that needs no method, in this process."""
    done = CliRunner().invoke(main, command)
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture(scope="module")
def ran(
    trained_template: Path, prefect_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ran]:
    folder = tmp_path_factory.mktemp("told") / "project"
    shutil.copytree(trained_template, folder)
    shutil.copytree(prefect_home, folder / ".prefect")
    project = Project(folder)
    _add_telltale(project)
    shutil.rmtree(folder / "samples")
    short = tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True)  # for names of sockets
    with pytest.MonkeyPatch.context() as patch, short as ray:
        settings = {"RAY_AUTH_MODE": "token", "RAY_TMPDIR": ray, "PYTHONPATH": str(folder)}
        for name, value in {**SECRETS, **settings}.items():
            patch.setenv(name, value)
        process = project.start(sys.executable, "-m", "stages.evaluate")
        listened = _watch(process)
        printed = process.communicate(timeout=SECONDS)[0]
        assert process.returncode == 1, printed
        printed += project.run("zsad", "plan", "--only", "failed")
        patch.chdir(folder)
        printed += _said("tables") + _said("report")
        patch.setenv("PREFECT_API_URL", f"http://reader:{PASSWORD}@127.0.0.1:9/api")
        printed += _said("doctor", "--json", code=1)
        (folder / "printed.txt").write_text(printed)
        yield Ran(project, Path(ray), printed, listened)
    project.stop()


@pytest.mark.e2e
@pytest.mark.ray
@pytest.mark.prefect
class TestRun:
    def test_nothing_listens_beyond_loopback(self, ran: Ran) -> None:
        names = set().union(*ran.listened.values())
        assert "raylet" in names, ran.listened  # it was looked at while Ray was up
        assert beyond_loopback(ran.listened) == {}

    def test_no_secret_is_in_what_it_wrote(self, ran: Ran) -> None:
        assert leaks(ran.files(), SOUGHT) == []

    def test_the_secrets_were_about_to_be_told(self, ran: Ran) -> None:
        failed = [row.error for row in ran.project.rows() if row.method == "telltale"]
        assert failed
        assert all(str(error).count("***") == len(SECRETS) for error in failed), failed[0]
        assert "nobody answers at PREFECT_API_URL=http://***@127.0.0.1:9/api" in ran.printed
        (log,) = (ran.project.folder / ".zsad" / "runs").glob("*.jsonl")
        events = [json.loads(line) for line in log.read_text().splitlines()]
        assert any("***" in event["reason"] for event in events if event["event"] == "cell_failed")


def _containers(folder: Path, secret: str) -> Iterator[Path]:
    """One file of each kind that a run writes, with `secret` where a plain search would miss it."""
    text = f"{'-' * 5000}{secret}"
    rows = pa.table({"error": [text] * 3})
    pq.write_table(rows, folder / "rows.parquet", compression="zstd")
    pq.write_table(rows.select([]).replace_schema_metadata({"k": secret}), folder / "foot.parquet")
    (folder / "log.gz").write_bytes(gzip.compress(text.encode()))
    with sqlite3.connect(folder / "log.db") as database:
        database.execute("create table log (message text)")
        database.execute("insert into log values (?)", [text])
    from pipeline.report.chunks import pack

    (folder / "report.html").write_text(f"<script>{pack({'error': text})}</script>")
    yield from folder.iterdir()


def test_the_search_looks_into_every_container(tmp_path: Path) -> None:
    secret = _drawn("planted")
    for path in _containers(tmp_path, secret):
        assert leaks([path], {"it": secret}) == [f"it in {path}"]
        assert leaks([path], {"it": _drawn("another")}) == []


def test_the_watch_sees_who_listens_beyond_loopback() -> None:
    with socket.socket() as server:
        server.bind(("0.0.0.0", 0))  # noqa: S104 - what must be noticed; nobody is told the port
        server.listen()
        assert set(beyond_loopback(listening(os.getpid()))) == {"0.0.0.0"}  # noqa: S104
    assert beyond_loopback(listening(os.getpid())) == {}


KEYS = {
    "AWS": rb"AKIA[0-9A-Z]{16}",
    "GitHub": rb"gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{50}",
    "Google": rb"AIza[\w-]{35}",
    "Hugging Face": rb"hf_[A-Za-z0-9]{30}",
    "Kaggle": rb'"key": ?"[0-9a-f]{32}"|KGAT_[0-9a-f]{32}',
    "Prefect": rb"pn[ub]_[A-Za-z0-9]{36}",
    "Slack": rb"xox[abeprs]-[\w-]{10}|hooks\.slack\.com/services/T\w+/B\w+/\w{20}",
    "a bot": rb"bot\d{8,10}:[\w-]{35}",
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a password in an address": rb"://[^/\s:@\"'{}]+:[^/\s@\"'{}]+@[\w.-]+",
}
"""What keys of services look like."""


def test_no_committed_file_holds_a_key() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    paths = [ROOT / name for name in listed.decode().split("\0") if name]
    found = {
        f"{kind} in {path.relative_to(ROOT)}"
        for path in paths
        if path.is_file()
        for view in views(path)
        for kind, pattern in KEYS.items()
        if re.search(pattern, view)
    }
    assert found == set()


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("Kaggle", f'{{"username":"me","key":"{_drawn("k")}"}}'),
        ("Hugging Face", SECRETS["HF_TOKEN"]),
        ("a bot", f"https://api.telegram.org/{BOT}abc/sendMessage"),
        ("a password in an address", SECRETS["HTTPS_PROXY"]),
    ],
)
def test_a_key_would_be_noticed(kind: str, text: str) -> None:
    assert re.search(KEYS[kind], text.encode())
