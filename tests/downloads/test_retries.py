from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from pipeline.downloads import DownloadError
from pipeline.downloads.retries import NoNetworkError, Patience, TransientError, retry_after, retrying


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr("pipeline.downloads.retries.time.sleep", waited.append)
    return waited


def failing() -> None:
    raise TransientError("no answer")


def test_waits_grow_and_are_bounded(waits: list[float]) -> None:
    said: list[str] = []
    with pytest.raises(DownloadError, match="host: no answer; gave up after 6 attempts"):
        retrying("host", Patience(attempts=6, first=1, longest=5), failing, say=said.append)
    bounds = [1, 2, 4, 5, 5]
    assert len(waits) == len(said) == len(bounds)
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))
    assert said[0].startswith("host: no answer; trying again in ")


@pytest.mark.parametrize(
    ("known", "waited"), [(set(), 0), ({"github.com"}, 1)], ids=["no network", "one host is unknown"]
)
def test_without_any_network_there_is_no_other_attempt(
    waits: list[float], monkeypatch: pytest.MonkeyPatch, known: set[str], waited: int
) -> None:
    monkeypatch.setattr("pipeline.downloads.retries._has_address", known.__contains__)

    def attempt() -> None:
        raise TransientError("the connection broke ([Errno -2] Name or service not known)")

    with pytest.raises(DownloadError) as caught:
        retrying("host", Patience(attempts=2), attempt)
    assert isinstance(caught.value, NoNetworkError) == (not known)
    assert len(waits) == waited


def test_progress_is_patience(waits: list[float]) -> None:
    there = iter([0, *(number * 70_000 for number in range(1, 200) for _ in range(2))])

    def attempt() -> str:
        if len(waits) == 20:
            return "done"
        raise TransientError("cut")

    assert retrying("host", Patience(attempts=2), attempt, reached=lambda: next(there)) == "done"


def test_a_few_bytes_are_no_progress(waits: list[float]) -> None:
    there = iter(range(100))
    with pytest.raises(DownloadError, match="gave up after 3 attempts"):
        retrying("host", Patience(attempts=3), failing, reached=lambda: next(there))
    assert len(waits) == 2


def test_retry_after() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=30)
    wait = retry_after(format_datetime(soon, usegmt=True))
    assert wait is not None
    assert 25 < wait <= 30
    assert retry_after(format_datetime(soon - timedelta(hours=1), usegmt=True)) == 0
    assert retry_after(" 7 ") == 7
    assert [retry_after(value) for value in (None, "soon", "-3", "1.5", "²")] == [None] * 5
