from pathlib import Path

import pytest

from pipeline.catalog import Source
from pipeline.downloads.digests import FirstDownload, Ledger
from pipeline.errors import DataError

FIRST, LATER = FirstDownload(bytes=3, sha256="a" * 64), FirstDownload(bytes=4, sha256="b" * 64)


def source(**facts: object) -> Source:
    return Source.model_validate({"kind": "gdrive", "id": "1x", "confirmed": True, **facts})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "data.digests.yaml", tmp_path / "lock")


def test_the_first_digest_stays(ledger: Ledger) -> None:
    ledger.note(source(), "archive.zip", lambda: FIRST)
    ledger.note(source(), "archive.zip", lambda: LATER)
    expected = ledger.expected(source(), "archive.zip")
    assert (expected.bytes, expected.sha256) == (3, "a" * 64)
    assert expected.origin == "data.digests.yaml (first download)"


def test_a_published_digest_needs_no_entry_and_an_entry_overrules_it(ledger: Ledger) -> None:
    known = source(sha256="c" * 64, digest_status="hint")
    ledger.note(known, "archive.zip", lambda: FIRST)
    assert not ledger.path.exists()
    assert ledger.expected(known, "archive.zip").sha256 == "c" * 64
    assert ledger.expected(known, "another file").sha256 is None
    ledger.note(source(), "archive.zip", lambda: FIRST)
    assert ledger.expected(known, "archive.zip").sha256 == "a" * 64


def test_the_file_can_be_committed(ledger: Ledger) -> None:
    ledger.note(source(id="2"), "archive.zip", lambda: LATER)
    ledger.note(source(id="1"), "archive.zip", lambda: FIRST)
    text = ledger.path.read_text()
    assert text.startswith("# SHA-256 of archives without a published digest")
    assert text.index("gdrive:1/archive.zip") < text.index("gdrive:2/archive.zip")


@pytest.mark.parametrize("text", ["- a list", "gdrive:1/a: {bytes: 3, sha256: short}", "{"])
def test_a_damaged_file_is_an_error(ledger: Ledger, text: str) -> None:
    ledger.path.write_text(text)
    with pytest.raises(
        DataError, match=r"data\.digests\.yaml(: not a list of digests .*; restore| cannot be read as YAML)"
    ):
        ledger.expected(source(), "archive.zip")
