"""Where the learnt weights of an auxiliary set lie, and why some are not there.

`weights/<profile>/<auxiliary>/` holds one safetensors file per learnt system and seed, and `status.json`,
which gives the reason of each that could not be made. Train writes, evaluate reads.
"""

from pathlib import Path

from pipeline.cells import System
from pipeline.errors import ZsadError, redacted
from pipeline.files import file_digest, read_json, write_json
from pipeline.plan import Cell

_STATUS = "status.json"


def weights_name(system: System, seed: int) -> str:
    """File name of the weights of a learnt system: `anomalyclip-seed111.safetensors`."""
    label = f"{system.method}.{system.variant}" if system.variant else system.method
    return f"{label}-seed{seed}.safetensors"


def clear(folder: Path) -> None:
    """Remove what an earlier training wrote into `folder`; other files are left alone."""
    for path in [*folder.glob("*-seed*.safetensors"), *folder.glob("*-seed*.history.json"), folder / _STATUS]:
        path.unlink(missing_ok=True)


def write_status(folder: Path, failed: dict[str, str]) -> None:
    """Record which weights could not be made: file name to reason."""
    write_json(folder / _STATUS, {"failed": {name: redacted(reason) for name, reason in failed.items()}})


def read_status(folder: Path) -> dict[str, str]:
    """What `write_status` recorded; empty when nothing failed or nothing was trained."""
    path = folder / _STATUS
    try:
        match read_json(path):
            case {"failed": dict(failed)}:
                return {str(name): str(reason) for name, reason in failed.items()}
    except FileNotFoundError:
        return {}
    except ValueError:
        pass
    raise ZsadError(f"{path} is damaged: run `dvc repro --force train@{folder.name}`")


class WeightsShelf:
    """Finds the weights of cells; reads every file and status once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._status: dict[str, dict[str, str]] = {}
        self._digests: dict[Path, str] = {}

    def find(self, cell: Cell) -> tuple[Path, str] | tuple[None, None]:
        """The file of the weights of `cell` and the SHA-256 of its content; None for both where it has none.

        Raises:
            ZsadError: they are not there; the message says why.
        """
        auxiliary, seed, system = cell.auxiliary, cell.key.seed, cell.resolved.weights_of or cell.key.system
        if auxiliary is None or seed is None:
            return None, None
        folder, name = self._root / auxiliary, weights_name(system, seed)
        status = self._status.setdefault(auxiliary, read_status(folder))
        if name in status:
            raise ZsadError(f"{system.name} could not be tuned on {auxiliary}: {status[name]}")
        path = folder / name
        if not path.is_file():
            raise ZsadError(f"{path} is missing: run `dvc repro train@{auxiliary}`")
        if path not in self._digests:
            self._digests[path] = file_digest(path)
        return path, self._digests[path]
