"""`zsad diff`: two runs value by value, each a folder, a git revision or a DVC experiment.

A git revision has tables in `baseline/`. A DVC experiment is a git ref under `refs/exps` whose tables lie in
DVC's cache, so DVC is asked. A folder with the name goes first. Nothing is checked out: tables are put into a
scratch folder.
"""

import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from pipeline.errors import ZsadError, printable
from pipeline.params import load_params
from pipeline.process import git_environment

_EXPERIMENTS = "refs/exps/??/*/*"  # others are of a run of DVC itself


@click.command()
@click.argument("before")
@click.argument("after")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=0.05,
    show_default=True,
    help="Largest difference, in printed points, that counts as none.",
)
@click.option("--exact", is_flag=True, help="Exit with 1 as soon as one value differs, noise or not.")
@click.option("--all", "every", is_flag=True, help="List every value that moved, not only what got worse.")
@click.option("--format", "kind", type=click.Choice(("text", "markdown")), default="text", show_default=True)
@click.pass_obj
def diff(
    params_file: Path, before: str, after: str, tolerance: float, exact: bool, every: bool, kind: str
) -> None:
    """Compare two runs value by value; exit code 1 when one got worse by more than noise, or is gone.

    Counts come first, then what got worse or is gone.

    BEFORE and AFTER are folders (of tables, or of results), git revisions (their baseline/<profile>) or DVC
    experiments (their results).

    Example: zsad diff baseline/miniature results/miniature
    """
    from pipeline.tables import compare_tables, count_values, diff_markdown, diff_text

    with TemporaryDirectory() as scratch:
        first = _tables_of(before, params_file, Path(scratch) / "before")
        second = _tables_of(after, params_file, Path(scratch) / "after")
        differences = compare_tables(first, second, tolerance)
        compared = count_values(first, second)
    show = diff_markdown if kind == "markdown" else diff_text
    click.echo(printable(show(differences, compared, tolerance, every=every)))
    if any(exact or difference.regression for difference in differences):
        sys.exit(1)


def _tables_of(side: str, params_file: Path, scratch: Path) -> Path:
    """The folder of tables (or results) that `side` names.

    Args:
        side: a folder, a git revision, or the name of a DVC experiment.
        params_file: says which profile's tables are meant in a revision.
        scratch: a new folder for what comes from git or DVC.

    Raises:
        ZsadError: it is none of them, or it has no tables of this profile.
    """
    if Path(side).is_dir():
        return Path(side)
    commit = _commit(side)
    if commit is None:
        raise ZsadError(
            f"{side}: neither a folder, a git revision nor a DVC experiment here;"
            " `git log` and `dvc exp show` list what there is"
        )
    params = load_params(params_file)
    if _git("for-each-ref", "--points-at", commit, _EXPERIMENTS):
        return _of_experiment(side, commit, scratch)
    baseline = f"baseline/{params.profile}"
    archive = _git("archive", "--format=tar", commit, "--", baseline)
    if archive is None:
        raise ZsadError(
            f"{side}: this revision has no {baseline}; give a folder, or an experiment of `dvc exp show`"
        )
    with tarfile.open(fileobj=BytesIO(archive)) as members:
        members.extractall(scratch, filter="data")
    return scratch / baseline


def _of_experiment(name: str, commit: str, scratch: Path) -> Path:
    from pipeline.tables import KEPT

    what = [".", KEPT.as_posix(), "--rev", commit, "-o", str(scratch)]
    get = [sys.executable, "-m", "dvc", "get", "-q", *what]
    if subprocess.run(get, capture_output=True, check=False).returncode:  # noqa: S603
        raise ZsadError(f"{name}: the tables of this experiment are not in DVC's cache; run it again here")
    return scratch


def _commit(name: str) -> str | None:
    revisions = [name, *(ref for ref in _experiments() if ref.rpartition("/")[2] == name)]
    for revision in revisions:
        found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if found is not None:
            return found.decode().split()[-1]
    return None


def _experiments() -> list[str]:
    listed = _git("for-each-ref", "--format=%(refname)", _EXPERIMENTS)
    return [] if listed is None else listed.decode().split()


def _git(*arguments: str) -> bytes | None:
    """What git prints, `None` when it fails or is not there."""
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "--no-optional-locks", *arguments],  # noqa: S607
            env=git_environment(),
            capture_output=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout
