import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.catalog import names
from pipeline.cli import main
from tests.catalog import own, trees
from tests.project import ROOT


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline").symlink_to(ROOT / "pipeline")  # where the miniature's counts lie


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
    assert "75/94" in states["mvtec"]
    assert "CC BY-NC-SA 4.0" in states["mvtec"]


def test_the_list_of_another_profile_says_what_brings_it() -> None:
    ran = zsad("datasets", "--profile", "paper")
    assert ran.exit_code == 0, ran.output
    (line,) = (line for line in ran.output.splitlines() if line.startswith("mvtec "))
    assert "467/1258" in line
    missing, others = ran.output.splitlines()[-2:]
    assert missing.startswith("missing: mvtec, visa, ")
    assert others.startswith("not here, nor in this run: real_iad, mvtec_ad_2, ")
    assert missing.endswith("colon_auxiliary: `zsad download NAME`")


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


def test_add_counts_many_subsets_in_one_line(tmp_path: Path) -> None:
    for number in range(101):
        own.good_and_holes(tmp_path / f"photos/part_{number:03}")
    ran = zsad("datasets", "add", "photos")
    assert ran.exit_code == 0
    subsets = [line for line in ran.output.splitlines() if "anomalous images" in line]
    assert len(subsets) == 1
    assert subsets[0].startswith("  101 subsets: ")
    assert subsets[0].endswith("no masks; each called by its name in prompts, such as 'part 000'")
    assert len(ran.output.splitlines()) < 120


def test_add_says_what_every_picture_was_taken_for(tmp_path: Path) -> None:
    own.mvtec_ad_2(tmp_path / "photos")
    ran = zsad("datasets", "add", "photos")
    assert ran.exit_code == 0
    roles = dict(line.strip().split(": ", 1) for line in ran.output.splitlines() if line.startswith("  "))
    home = "mvtec_ad_2/can/test_public"
    assert roles["normal"].startswith(f"4 (2 in {home}/good, 2 in")
    assert roles["anomalous"].startswith(f"4 (2 in {home}/bad, ")
    assert roles["masks"].startswith(f"4 (2 in {home}/ground_truth/bad, ")
    assert roles["train"].startswith("6 (")
    assert roles["unlabelled"].startswith("4 (")
    assert roles["left aside"] == "none"


def test_the_label_of_a_mask_is_said(tmp_path: Path) -> None:
    own.ksdd2(tmp_path / "photos")
    ran = zsad("datasets", "add", "photos")
    assert "photos: 2 normal and 1 anomalous images, with masks" in ran.output
    assert "  an image is normal when its mask is empty\n" in ran.output


def test_pictures_without_a_place_stop_it_or_are_left_aside(tmp_path: Path) -> None:
    own.good_and_holes(tmp_path / "photos")
    own.photo(tmp_path / "photos/logo.png")
    ran = zsad("datasets", "add", "photos")
    assert ran.exit_code == 1
    assert "1 picture has no place in mvtec_like: logo.png" in ran.output
    assert "or leave it aside with --leave-aside" in ran.output
    ran = zsad("datasets", "add", "photos", "--leave-aside")
    assert ran.exit_code == 0
    assert "  left aside: 1 (1 in the top)\n" in ran.output


def test_a_word_for_normal_is_asked_for_and_taken(tmp_path: Path) -> None:
    for kind in ("nominal", "local", "global"):
        own.photos(tmp_path / "photos" / kind, ("0.png",))
    assert "Say it with --normal" in zsad("datasets", "add", "photos").output
    ran = zsad("datasets", "add", "photos", "--normal", "nominal")
    assert "photos: 1 normal and 2 anomalous images, no masks" in ran.output


def test_one_message_for_a_folder_that_is_not_understood(tmp_path: Path) -> None:
    trees.picture(tmp_path / "photos/a.png")
    ran = zsad("datasets", "add", "photos")
    assert ran.exit_code == 1
    assert ran.output.startswith("error: photos: not the layout of a data set; known are")
    assert zsad("datasets", "add", "photos", "--name", "9 lives").exit_code == 2
