"""Texts that go to others: redacted logs, notifications, tables that fit a page."""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.schemas import FlowRun
from prefect.states import Cancelling, Completed, Failed

from pipeline.flows.artifacts import narrowed
from pipeline.flows.benchmark import VARIABLE, message, notify
from pipeline.flows.dvc_stages import reason
from tests.project import ROOT


def test_a_message_is_one_line() -> None:
    name = "nightly miniature 2026-11-25"
    assert message(name, Completed(message="whatever")) == f"zsad: {name}: Completed"
    words = "Flow run encountered an exception: StageError: stage evaluate: broken\nTraceback"
    assert message(name, Failed(message=words)) == (f"zsad: {name}: Failed: stage evaluate: broken")
    assert message(name, Cancelling()).startswith(f"zsad: {name}: Cancelled")


@flow(name="benchmark")
def nothing() -> None:
    """A flow to hang a hook on."""


def run(name: str) -> FlowRun:
    return FlowRun(name=name, flow_id=uuid4())


def test_a_command_gets_the_line_as_one_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "tell.py"
    script.write_text(
        f"import sys, pathlib; pathlib.Path({str(tmp_path / 'told')!r}).write_text(repr(sys.argv[1:]))"
    )
    monkeypatch.setenv(VARIABLE, f"{sys.executable} {script} --to me")
    notify(nothing, run("a; rm -rf b"), Completed())
    assert (tmp_path / "told").read_text() == "['--to', 'me', 'zsad: a; rm -rf b: Completed']"


def test_a_web_hook_gets_the_line_and_its_address_stays_secret(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bodies: list[bytes] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200 if self.path == "/good" else 500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Hook)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv(VARIABLE, f"{address}/good")
    notify(nothing, run("one"), Completed())
    monkeypatch.setenv(VARIABLE, f"{address}/s3cret-path")
    notify(nothing, run("two"), Completed())
    server.shutdown()
    server.server_close()
    monkeypatch.setenv(VARIABLE, "https://[s3cret")
    notify(nothing, run("three"), Completed())
    assert bodies == [b'{"text":"zsad: one: Completed"}', b'{"text":"zsad: two: Completed"}']
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["Running stage 'evaluate':", "error: no room", "ERROR: failed to reproduce 'evaluate'"], "no room"),
        (["ERROR: failed to reproduce 'evaluate'", ""], "ERROR: failed to reproduce 'evaluate'"),
        (["killed"], None),
    ],
)
def test_a_stage_that_failed_is_told_by_its_own_words(lines: list[str], told: str | None) -> None:
    assert reason(lines) == told


@pytest.mark.parametrize("name", ["table1", "table2", "table3"])
def test_a_narrow_table_has_every_value_once(name: str) -> None:
    text = (ROOT / "baseline" / "miniature" / f"{name}.md").read_text()
    assert narrowed(text, 10_000) == text
    narrow = narrowed(text, 118)
    assert max(len(line.replace("*", "")) for line in narrow.split("\n") if line.startswith("|")) <= 118

    def values(of: str) -> list[str]:
        rows = [line for line in of.split("\n") if line.startswith("|")]
        return sorted(
            cell.strip() for row in rows for cell in row.split("|") if "(" in cell and "level" not in cell
        )

    assert values(narrow) == values(text)
