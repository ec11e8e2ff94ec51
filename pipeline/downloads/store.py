"""Where downloads live: `<root>/.downloads/`, beside the data sets, on the same disk, ignored by git.

A source has a folder there, so that data sets with a common archive fetch it once; what a person fetches has
a folder by data set. Locks keep two processes from doing the same work.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from pipeline.catalog import Source
from pipeline.downloads.digests import Ledger
from pipeline.downloads.display import Display
from pipeline.downloads.hosts import SERVICES
from pipeline.downloads.http import open_client
from pipeline.downloads.retries import Patience
from pipeline.files import only_one, value_digest, write_text

_FOLDER = ".downloads"
_LOCKS = "locks"


@dataclass(frozen=True)
class Store:
    """Everything that a download needs besides the record.

    Attributes:
        root: folder of the data sets.
        ledger: digests of first downloads.
        client: for plain HTTP.
        display: where progress is shown.
        services: name of a service that is asked for files to its address.
        patience: bounds of retrying.
    """

    root: Path
    ledger: Ledger
    client: httpx.Client
    display: Display
    services: Mapping[str, str] = field(default_factory=lambda: SERVICES)
    patience: Patience = field(default_factory=Patience)

    @property
    def downloads(self) -> Path:
        """Folder of archives and of work in progress."""
        return self.root / _FOLDER

    def folder(self, source: Source, dataset: str) -> Path:
        """The folder of a source."""
        if source.by_hand:
            return self.downloads / dataset
        place = source.id or f"{urlsplit(str(source.url)).netloc}-{value_digest(source.url)[:8]}"
        return self.downloads / re.sub(r"[^A-Za-z0-9._-]+", "-", f"{source.kind}-{place}")

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Be the only process at work on `name`, a data set or the folder of a source."""
        path = self.downloads / _LOCKS / f"{name}.lock"
        message = f"another process is at work on {name}; waiting for it to finish"
        with only_one(path, message, wait=self.display.say):
            yield


@contextmanager
def open_store(root: Path, ledger: Path, display: Display) -> Iterator[Store]:
    """Prepare `root` for downloads; digests of first downloads go to the file `ledger`.

    Raises:
        OSError: `root` cannot be written.
    """
    downloads = root / _FOLDER
    ignore = downloads / ".gitignore"
    (downloads / _LOCKS).mkdir(parents=True, exist_ok=True)
    if not ignore.exists():
        write_text(ignore, "*\n")
    with open_client() as client:
        yield Store(root, Ledger(ledger, downloads / _LOCKS / "ledger.lock"), client, display)
