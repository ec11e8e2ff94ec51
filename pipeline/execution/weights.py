"""Where the learnt weights of an auxiliary set lie, and why some are not there.

`weights/<profile>/<auxiliary>/` holds one safetensors file a learnt entry and seed, and `status.json`, which
gives the reason of each that could not be made. Train writes, evaluate reads.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ZsadError
from pipeline.files import file_digest, write_json
from pipeline.plan import Cell, Entry
from pipeline.redaction import redacted

_STATUS = "status.json"


def weights_name(entry: Entry, seed: int) -> str:
    """File name of the weights of a learnt entry: `anomalyclip-seed111.safetensors`."""
    label = f"{entry.method}.{entry.variant}" if entry.variant else entry.method
    return f"{label}-seed{seed}.safetensors"


def write_status(folder: Path, failed: dict[str, str]) -> None:
    """Record which weights could not be made: file name to reason."""
    write_json(folder / _STATUS, {"failed": {name: redacted(reason) for name, reason in failed.items()}})


def read_status(folder: Path) -> dict[str, str]:
    """What `write_status` recorded; empty when nothing failed or nothing was trained."""
    path = folder / _STATUS
    if not path.is_file():
        return {}
    failed: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))["failed"]
    return failed


@dataclass(frozen=True)
class LearntWeights:
    """A weights file and the SHA-256 of its content."""

    path: Path
    digest: str


class WeightsShelf:
    """Finds the weights of cells; reads every file and status once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._status: dict[str, dict[str, str]] = {}
        self._found: dict[Path, LearntWeights] = {}

    def find(self, cell: Cell) -> LearntWeights | None:
        """The weights of `cell`; None for a method that learns nothing.

        Raises:
            ZsadError: they are not there; the message says why.
        """
        if cell.auxiliary is None or cell.seed is None:
            return None
        folder, name = self._root / cell.auxiliary, weights_name(cell.entry, cell.seed)
        status = self._status.setdefault(cell.auxiliary, read_status(folder))
        if name in status:
            raise ZsadError(f"{cell.entry.label} could not be tuned on {cell.auxiliary}: {status[name]}")
        path = folder / name
        if not path.is_file():
            raise ZsadError(f"{path} is missing: run `dvc repro train@{cell.auxiliary}`")
        if path not in self._found:
            self._found[path] = LearntWeights(path, file_digest(path))
        return self._found[path]
