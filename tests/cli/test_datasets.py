import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.catalog import names
from pipeline.cli import main
from tests.catalog import trees
from tests.project import ROOT


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def zsad(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["--params", str(ROOT / "params.yaml"), *arguments])


def test_the_list_says_what_is_there(tmp_path: Path) -> None:
    trees.endo(tmp_path / "data/endo")
    ran = zsad("datasets")
    assert ran.exit_code == 0
    states = {line.split()[0]: line for line in ran.output.splitlines()}
    assert set(names()) < set(states)
    assert "there" in states["endo"]
    assert "missing" in states["mvtec"]
    assert "467/1258" in states["mvtec"]
    assert "CC BY-NC-SA 4.0" in states["mvtec"]


def test_json(tmp_path: Path) -> None:
    trees.endo(tmp_path / "data/endo")
    found = {state["name"]: state for state in json.loads(zsad("datasets", "--json").output)}
    files = [path for path in (tmp_path / "data/endo").rglob("*") if path.is_file()]
    assert found["endo"]["bytes_on_disk"] == sum(path.stat().st_size for path in files)
    assert found["endo"]["licence"] is None
    assert found["mvtec"]["bytes_on_disk"] is None
    assert found["mvtec"]["state"] == "missing"


def test_add_says_what_it_understood(tmp_path: Path) -> None:
    trees.btad(tmp_path / "Line 3")
    ran = zsad("datasets", "add", "Line 3")
    assert ran.exit_code == 0
    assert "line_3: mvtec_like, measured on image and pixel level" in ran.output
    assert "02: 2 normal and 2 anomalous images, with masks; called '02' in prompts" in ran.output
    assert "training part" in ran.output
    assert ran.output.splitlines()[-1] == "evaluate it: dvc exp run -S 'own=[line_3]'"
    (line,) = (line for line in zsad("datasets").output.splitlines() if line.startswith("line_3"))
    assert "there" in line


def test_one_message_for_a_folder_that_is_not_understood(tmp_path: Path) -> None:
    trees.picture(tmp_path / "photos/a.png")
    ran = zsad("datasets", "add", "photos")
    assert ran.exit_code == 1
    assert ran.output.startswith("error: photos: not the layout of a data set; known are")
    assert zsad("datasets", "add", "photos", "--name", "9 lives").exit_code == 2
