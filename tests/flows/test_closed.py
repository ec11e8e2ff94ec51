"""`zsad serve` lets nobody in who does not know its password: no other account, no page from elsewhere."""

import os
import re
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.flows.served import CHROMIUM, CHROMIUM_ARGUMENTS, Served, start_serving, watch_requests
from tests.project import SECONDS, Project
from tests.second_user import as_nobody

pytestmark = [pytest.mark.prefect, pytest.mark.e2e, pytest.mark.timeout(3 * SECONDS)]

REACHES = """
for method, path in (
    ("GET", "/api/admin/settings"),
    ("GET", "/api/csrf-token?client=x"),
    ("POST", "/api/deployments/filter"),
    ("POST", "/api/flows/count"),
    ("POST", "/api/flow_runs/"),
    ("PATCH", "/api/deployments/00000000000000000000000000000000"),
):
    body = None if method == "GET" else b"{}"
    request = urllib.request.Request(sys.argv[1] + path, data=body, method=method)
    for headers in ({}, {"Authorization": "Basic " + base64.b64encode(b"zsad:").decode()}):
        request.headers = headers
        try:
            print(urllib.request.urlopen(request, timeout=20).status, path)
        except urllib.error.HTTPError as error:
            print(error.code)
for file in sys.argv[2:]:
    print(os.access(file, os.R_OK))
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("closed")
    for parent in (folder, *folder.parents[:3]):
        if parent.stat().st_uid == os.getuid() and parent != Path("/tmp"):  # noqa: S108
            parent.chmod(0o755)  # what is closed is to be closed by itself
    (folder / "params.yaml").write_text("profile: miniature\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        patch.delenv("NO_PROXY", raising=False)
        patch.delenv("no_proxy", raising=False)
        patch.setenv("PREFECT_RUNNER_POLL_FREQUENCY", "1")
        running = start_serving(Project(folder))
    yield running
    running.stop()


def test_another_account_is_refused_everywhere_and_cannot_read_the_password(served: Served) -> None:
    home = served.project.folder / ".prefect"
    files = [home / "password", home / "open.html"]
    assert [stat.S_IMODE(file.stat().st_mode) for file in (home, *files)] == [0o700, 0o600, 0o600]
    imports = "import base64, encodings.idna, os, sys, urllib.request, urllib.error"
    told = as_nobody(imports, REACHES, served.address, *map(str, files))
    assert told.split() == ["401"] * 12 + ["False"] * 2


def test_no_page_from_elsewhere_is_let_in(served: Served) -> None:
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "PATCH"}
    for path in ("/api/deployments/filter", "/api/flows/count"):
        answer = httpx.options(f"{served.address}{path}", headers=asked, auth=served.auth)
        assert "access-control-allow-origin" not in answer.headers


def test_the_password_is_on_no_command_line_and_in_no_other_file(served: Served) -> None:
    _, password = served.auth
    assert not [each for each in served.processes() if password in " ".join(each.cmdline())]
    home = served.project.folder / ".prefect"
    files = [path for path in home.rglob("*") if path.is_file()]
    holders = {path.name for path in files if password.encode() in path.read_bytes()}
    assert holders == {"password", "open.html"}


@pytest.mark.parametrize(
    "path", ["/", "/open", "/v2/dashboard", "/ui-settings", "/docs", "/api/health", "/api/no"]
)
def test_every_answer_keeps_its_page_at_home(served: Served, path: str) -> None:
    """Prefect's pages ask an analytics host, whatever is switched off."""
    answer = httpx.get(f"{served.address}{path}", auth=served.auth, trust_env=False)
    policy = answer.headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules.pop("default-src") == "'self'"  # what a page may ask, by all that has no rule of its own
    allowed = {"'self'", "'none'", "data:", "blob:", "'unsafe-inline'", "'unsafe-eval'"}
    sources = {source for rule in rules.values() for source in rule.split()}
    assert not [source for source in sources - allowed if not source.startswith("'sha256-")]
    assert "'unsafe-inline'" not in rules["script-src"]


def test_the_owners_page_opens_with_it(served: Served, tmp_path: Path) -> None:
    if not CHROMIUM.exists():
        pytest.skip(f"NOT TESTED: the page in a browser; {CHROMIUM} is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=list(CHROMIUM_ARGUMENTS))
        stranger = browser.new_page()
        stranger.goto(f"{served.address}/deployments")
        stranger.wait_for_url("**/login**")
        page = browser.new_context().new_page()
        outside = watch_requests(page, served.address, "file:", "data:", f"blob:{served.address}")
        page.goto((served.project.folder / ".prefect" / "open.html").as_uri())
        page.wait_for_url(re.compile("/dashboard"))
        page.goto(f"{served.address}/deployments")
        until = time.monotonic() + 60  # they may still be registering, and the page does not look again
        while not page.get_by_text("on-demand").count() and time.monotonic() < until:
            page.wait_for_timeout(2000)
            page.reload()
        page.get_by_text("on-demand").first.wait_for()
        page.screenshot(path=str(tmp_path / "deployments.png"))
        browser.close()
    assert outside == set()


def test_killed_it_leaves_neither_server_nor_runner(served: Served) -> None:
    children = served.processes()
    assert len(children) == 2
    os.kill(served.process.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive, alive
