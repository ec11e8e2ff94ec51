"""A folder in which the benchmark runs without a checkout of this repository: what `zsad init` writes.

Its `pipeline` and `stages` are links to the installed package, so that DVC sees what an upgrade changes. The
settings are the repository's own files: `files/` holds links to them, a wheel their content. The miniature
data sets are drawn, which takes seconds and gives the committed bytes.
"""

import subprocess
from pathlib import Path
from shutil import copyfile

from pipeline.errors import ProjectError
from pipeline.miniature.datasets import write_all
from pipeline.process import git_environment

_HERE = Path(__file__).resolve().parent
_FILES = {
    "params.yaml": "params.yaml",
    "dvc.yaml": "dvc.yaml",
    "gitignore": ".gitignore",
    "dvcignore": ".dvcignore",
    "dvc/config": ".dvc/config",
    "dvc/gitignore": ".dvc/.gitignore",
    "datasets/README.md": "datasets/README.md",
}
_PACKAGES = ("pipeline", "stages")


def create(folder: Path) -> None:
    """Make `folder` a project: settings, links to the code, a git repository, the miniature data in `data/`.

    Raises:
        ProjectError: it holds something other than `.git`, or git does not work here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(path.name != ".git" for path in folder.iterdir()):
        raise ProjectError(f"{folder} is not empty: name a new folder")
    _make_repository(folder)
    for source, target in _FILES.items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        copyfile(_HERE / "files" / source, folder / target)
    with (folder / ".gitignore").open("a", encoding="utf-8") as ignored:
        ignored.writelines(f"/{package}\n" for package in _PACKAGES)
    for package in _PACKAGES:
        (folder / package).symlink_to(_HERE.parents[1] / package, target_is_directory=True)
    write_all(folder / "data")


def _make_repository(folder: Path) -> None:
    """DVC keeps experiments in git; a folder inside a repository has one."""
    inside = ["git", "-C", str(folder), "rev-parse", "--git-dir"]
    environment = git_environment()
    try:
        if subprocess.run(inside, env=environment, capture_output=True, check=False).returncode:  # noqa: S603
            subprocess.run(["git", "init", "-q", str(folder)], env=environment, check=True)  # noqa: S603, S607
    except (OSError, subprocess.CalledProcessError) as error:
        raise ProjectError(
            f"{folder}: git does not work here ({error}); install it, then try again"
        ) from error
