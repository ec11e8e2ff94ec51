"""A server on loopback and a store that does not wait long."""

import io
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from pipeline.downloads import Display, Store, open_store
from pipeline.downloads.hosts import SERVICES
from pipeline.downloads.http import open_client
from pipeline.downloads.retries import Patience
from tests.downloads.server import Server, serving

PATIENCE = Patience(attempts=3, first=0.01, longest=0.02, asked=2.0)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as state:
        yield state


@pytest.fixture
def display() -> Display:
    return Display(Console(file=io.StringIO(), width=200))


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    """One for all tests: reading the certificates of the system takes a tenth of a second."""
    with open_client() as opened:
        yield opened


@pytest.fixture
def store(
    tmp_path: Path, server: Server, display: Display, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    monkeypatch.setattr("pipeline.downloads.store.open_client", lambda: nullcontext(client))
    services = dict.fromkeys(SERVICES, server.url)
    with open_store(tmp_path / "data", tmp_path / "data.digests.yaml", display) as opened:
        yield replace(opened, services=services, patience=PATIENCE)
