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
