"""What `zsad diff` compares: a folder as it is, or the tables in a git revision or DVC experiment.

Tables are plain files in git, and a DVC experiment is a git ref under `refs/exps`, so git alone is asked; a
folder with the name goes first. Nothing is checked out: the tables are extracted into a scratch folder.
"""

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

from pipeline.errors import ZsadError
from pipeline.params import load_params


def tables_of(side: str, params_file: Path, scratch: Path) -> Path:
    """The folder of tables (or results) that `side` names.

    Args:
        side: a folder, a git revision, or the name of a DVC experiment.
        params_file: says which profile's tables are meant in a revision.
        scratch: an empty folder for what comes from git.

    Raises:
        ZsadError: it is none of them, or the revision has no tables of this profile.
    """
    if Path(side).is_dir():
        return Path(side)
    commit = _commit(side)
    if commit is None:
        raise ZsadError(
            f"{side}: neither a folder, a git revision nor a DVC experiment here;"
            " `git log` and `dvc exp show` list what there is"
        )
    tables = f"{load_params(params_file).results.as_posix()}/tables"
    archive = _git("archive", "--format=tar", commit, "--", tables)
    if archive is None:
        raise ZsadError(f"{side}: this revision has no {tables}; commit the tables there first")
    with tarfile.open(fileobj=BytesIO(archive)) as members:
        members.extractall(scratch, filter="data")
    return scratch / tables


def _commit(name: str) -> str | None:
    revisions = [name, *(ref for ref in _experiments() if ref.rpartition("/")[2] == name)]
    for revision in revisions:
        found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if found is not None:
            return found.decode().split()[-1]
    return None


def _experiments() -> list[str]:
    listed = _git("for-each-ref", "--format=%(refname)", "refs/exps")
    return [] if listed is None else listed.decode().split()


def _git(*arguments: str) -> bytes | None:
    """What git prints, `None` when it fails or is not there."""
    try:
        done = subprocess.run(["git", "--no-optional-locks", *arguments], capture_output=True, check=True)  # noqa: S603, S607
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout
