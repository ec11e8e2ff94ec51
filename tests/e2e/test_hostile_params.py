"""A params.yaml from elsewhere runs nothing and touches nothing, whatever it calls a data set."""

import os
import stat
from pathlib import Path

import pytest
import yaml

from tests.project import ROOT, Project

pytestmark = pytest.mark.e2e

COMMANDS = ("x;touch PWNED", "$(touch PWNED)", "x';touch PWNED;'")
PATHS = ("../../samples", "../paper/btad", "../../../outside/btad", "linked", "/etc", "*", "${data_root}")
HOSTILE: dict[str, tuple[list[str], str]] = {
    "own": ([*PATHS], "prepare_own"),
    "datasets": (["btad", "sdd", "../../samples"], "prepare"),
    "auxiliaries": (["btad", "sdd", "../../samples"], "train"),
    "unions": (["btad+sdd", "../../samples", "btad+../../samples"], "train_union"),
}
MAY_CHANGE = {".git", ".dvc", ".prefect", ".zsad", "params.yaml", "dvc.lock", ".gitignore"}
PROFILES = ("../../outside", "../samples")


def everything(*folders: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and content of every file and link that a run must not touch."""
    found = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if not {".git", ".dvc", ".prefect", ".zsad", "params.yaml", "dvc.lock", ".gitignore"} & set(
                path.parts
            ):
                content = str(path.readlink()).encode() if path.is_symlink() else b""
                content = path.read_bytes() if path.is_file() else content
                found[str(path)] = (stat.S_IMODE(path.lstat().st_mode), content)
    return found


@pytest.fixture
def victims(project: Project) -> Path:
    """What a path that leads out would meet: beside the project, of another profile, and links in its way."""
    outside = project.folder.parent / "outside"
    for part in ("btad", "metrics", "scores", "examples", "tables", "report", "deep/tables"):
        (outside / part).mkdir(parents=True)
        (outside / part / "index.parquet").write_text("keep")
        (outside / part / "summary.json").write_text("keep")
        (outside / part / "index.parquet").chmod(0o600)
    for folder in ("shards/paper/btad", "weights/paper/btad", "results/paper/tables", "results/tables"):
        (project.folder / folder).mkdir(parents=True)
        (project.folder / folder / "table1.csv").write_text("keep")
        os.link(outside / "btad" / "index.parquet", project.folder / folder / "hard-link")
    (project.folder / "shards" / "miniature").mkdir()
    (project.folder / "shards" / "miniature" / "linked").symlink_to(outside)
    return outside


def test_names_with_commands_in_them_run_nothing(project: Project) -> None:
    project.init_dvc()
    project.set_param("own", list(COMMANDS))
    for name in COMMANDS:
        (project.folder / "data-own" / name).mkdir(parents=True, exist_ok=True)
        (project.folder / "datasets" / f"{name}.yaml").write_text("name: x\n")
    before = everything(project.folder)
    output = project.run("dvc", "repro", "--keep-going", "prepare_own", code=255)
    assert everything(project.folder) == before, output
    assert "own.0" in output


def test_no_template_of_dvc_yaml_leads_to_what_dvc_may_delete() -> None:
    """DVC deletes, changes and checks out what it caches, before any code of ours has seen the name."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for stage in stages.values():
        assert "${" not in stage.get("do", stage)["cmd"]
        for out in stage.get("do", stage)["outs"]:
            ((path, kept),) = out.items() if isinstance(out, dict) else ((out, {}),)
            assert "${" not in path or kept == {"cache": False, "persist": True}


@pytest.fixture
def tracked(project: Project, victims: Path) -> Project:
    """Known to DVC, with its data in place and no git."""
    project.use_samples_as_data()
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        (project.folder / name).write_bytes((ROOT / name).read_bytes())
    project.run("dvc", "init", "-q", "--no-scm")
    return project


@pytest.mark.parametrize("key", HOSTILE)
def test_a_path_for_a_name_touches_nothing(tracked: Project, victims: Path, key: str) -> None:
    values, stage = HOSTILE[key]
    tracked.set_param(key, values)
    before = everything(tracked.folder, victims)
    said = tracked.run("dvc", "repro", "--force", "--keep-going", "--single-item", stage, code=255)
    assert everything(tracked.folder, victims) == before, said
    assert f"error: params.yaml: {key}." in said
    assert "Traceback" not in said
    tracked.start("dvc", "checkout", "--force").communicate()
    assert everything(tracked.folder, victims) == before


@pytest.mark.parametrize("profile", PROFILES)
def test_a_path_for_a_profile_touches_nothing(tracked: Project, victims: Path, profile: str) -> None:
    tracked.set_param("profile", profile)
    before = everything(tracked.folder, victims)
    for command in ("repro", "checkout"):
        said = tracked.start("dvc", command, "--force").communicate()[0]
        assert everything(tracked.folder, victims) == before, said
    assert "Traceback" not in said


def test_an_experiment_with_a_path_for_a_name_touches_nothing(project: Project, victims: Path) -> None:
    project.init_dvc()
    project.run("dvc", "repro", "data.dvc")
    project.run("git", "config", "user.name", "t")
    project.run("git", "config", "user.email", "t@example.org")
    (project.folder / ".dvc" / "config").write_bytes((ROOT / ".dvc" / "config").read_bytes())
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "start")
    before = everything(project.folder, victims)
    for setting in ("own=[../../samples,../paper/btad,linked]", "profile=../../outside"):
        output = project.start("dvc", "exp", "run", "-S", setting).communicate()[0]
        assert everything(project.folder, victims) == before, output
        assert "Traceback" not in output
