"""`make env` in a folder with a space in its path; Python and uv are stand-ins that note their calls."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.project import ROOT

STAND_IN = """#!/bin/sh
echo done
echo "${VIRTUAL_ENV:-}|$0 $*" >> calls.txt
if [ "$2" = venv ]; then mkdir -p .venv/bin && cp "$0" .venv/bin/python && cp "$0" .venv/bin/uv; fi
"""


def test_a_space_in_the_path_does_no_harm(tmp_path: Path) -> None:
    folder = tmp_path / "my work"
    folder.mkdir()
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    python = folder / "python"
    python.write_text(STAND_IN)
    python.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    command = ["make", "env", "PYTHON=./python"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    calls = [line.split("|", 1) for line in (folder / "calls.txt").read_text().splitlines()]
    used = {environment for environment, call in calls if call.startswith(".venv/bin/uv")}
    assert used == {str(folder / ".venv")}


def test_no_recipe_has_the_folder_without_quotes() -> None:
    recipes = [line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("\t")]
    assert not [line for line in recipes if line.replace('"$(CURDIR)', "").count("$(CURDIR)")]


def repro(folder: Path, listed: str) -> subprocess.CompletedProcess[str]:
    """`make repro` where `zsad datasets` prints `listed`, and `dvc` its name."""
    tools = folder / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name in ("requirements.lock", "pyproject.toml", "Makefile"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "params.yaml").write_text("profile: miniature\n")
    for name, printed in (("zsad", listed), ("dvc", "dvc ran")):
        (tools / name).write_text(f"#!/bin/sh\ncat <<'END'\n{printed}\nEND\n")
        (tools / name).chmod(0o755)
    (folder / ".venv" / ".stamp").touch()
    environment = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    return subprocess.run(
        ["make", "repro"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_repro_names_data_sets_that_are_not_here_before_dvc_does(tmp_path: Path) -> None:
    done = repro(tmp_path, "mvtec  15\nmissing: mvtec, visa: `zsad download NAME`")
    assert done.returncode != 0
    assert "missing: mvtec, visa: `zsad download NAME`\nnothing was started; `dvc exp run" in done.stderr
    assert "dvc ran" not in done.stdout


def test_repro_goes_on_where_they_come_with_it(tmp_path: Path) -> None:
    done = repro(tmp_path, "mvtec  15\nmissing: mvtec, visa: `dvc repro`")
    assert done.returncode == 0, done.stderr
    assert "dvc ran" in done.stdout
