"""A params.yaml from elsewhere runs nothing, whatever it calls a data set."""

from pathlib import Path

import pytest

from tests.project import Project

pytestmark = pytest.mark.e2e

NAMES = ("x;touch PWNED", "$(touch PWNED)", "x';touch PWNED;'")


def everything(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if not {".git", ".dvc", ".zsad"} & set(path.relative_to(folder).parts)
    }


def test_names_with_commands_in_them_run_nothing(project: Project) -> None:
    project.init_dvc()
    project.set_param("own", list(NAMES))
    for name in NAMES:
        (project.folder / "data-own" / name).mkdir(parents=True, exist_ok=True)
        (project.folder / "datasets" / f"{name}.yaml").write_text("name: x\n")
    before = everything(project.folder)
    output = project.run("dvc", "repro", "--keep-going", "prepare_own", code=255)
    assert everything(project.folder) == before, output
    assert "own.0" in output
