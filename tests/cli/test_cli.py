"""The `zsad` command: quick help, scoring and converting from end to end, errors as one line."""

import errno
import resource
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from pipeline import methods
from pipeline.cli import main
from pipeline.clip import Clip, TowerSpec
from pipeline.detection.detector import GivenTower, open_detector
from pipeline.errors import WeightsError
from pipeline.methods.base import LearntMethod
from pipeline.plan import Rates
from pipeline.training import read_checkpoint
from pipeline.training.interchange import export_official
from tests.execution.folder_files import ANOMALYCLIP, write_pictures, write_tower
from tests.project import ROOT, Project

HEAVY = ("torch", "open_clip", "ray", "prefect", "dvc", "matplotlib", "numba", "pandas", "pyarrow")


def zsad(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> GivenTower:
    return write_tower(tmp_path_factory.mktemp("tower"))


@pytest.fixture
def by_hand(tower: GivenTower) -> list[object]:
    return ["--model", tower.model, "--weights", tower.weights, "--image-size", tower.image_size]


@pytest.fixture
def official(tower: GivenTower, tmp_path: Path) -> Path:
    """An official AnomalyCLIP file for the tower."""
    clip = open_detector("clip", None, tower=tower, settings={"layers": [6]}).method.clip
    method = methods.build("anomalyclip", ANOMALYCLIP, clip)
    assert isinstance(method, LearntMethod)
    export_official(tmp_path / "epoch_15.pth", method)
    return tmp_path / "epoch_15.pth"


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom pipeline.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('heavy:', [name for name in {HEAVY} if name in sys.modules])"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.splitlines()[-1] == "heavy: []"
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 1.0


def test_a_full_device_is_one_line() -> None:
    """Help is printed before any command of ours begins."""
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-c", "from pipeline.cli import main; main(['--help'])"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "No space left on device; make room" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = zsad(command, "--help")
    assert result.exit_code == 0
    assert "Example:" in result.output
    assert f"zsad {command}" in result.output.split("Example:")[1]


def test_score_says_what_its_scores_cannot_say(tmp_path: Path) -> None:
    """The same picture twice, and the weights of the miniature."""
    pictures = write_pictures(tmp_path / "in", ("a.png",))
    (pictures / "b.png").write_bytes((pictures / "a.png").read_bytes())
    result = zsad(
        "score", pictures, "--method", "winclip", "--class-name", "bottle", "--out", tmp_path / "out"
    )
    assert result.exit_code == 0, result.output
    assert "2 of 2 scores are equal" in result.stdout
    (line,) = (line for line in result.stdout.splitlines() if "know the miniature's drawings only" in line)
    command = shlex.split(line.partition("for photos: ")[2])
    assert command[:2] == ["zsad", "score"]
    given = main.commands["score"].make_context("score", command[2:]).params
    assert (given["folder"], given["method"], given["class_name"]) == (pictures, "winclip", "bottle")


def test_a_profile_has_its_towers_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = write_pictures(tmp_path / "in", ("a.png",))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipeline.detection.detector.load_clip", _no_tower)
    given = ["--profile", "paper", "--method", "winclip", "--class-name", "bottle"]
    result = zsad("score", pictures, *given)
    assert result.exit_code == 1
    assert result.stderr == "error: ViT-B-16-plus-240, laion400m_e31, 240\n"


def _no_tower(spec: TowerSpec, device: str) -> Clip:
    raise WeightsError(f"{spec.model}, {spec.weights}, {spec.image_size}")


def test_score_writes_everything_that_is_asked_for(by_hand: list[object], tmp_path: Path) -> None:
    pictures, out = write_pictures(tmp_path / "in", ("a.png", "b/c.jpg")), tmp_path / "out"
    options = ["--method", "clip", "--class-name", "bottle", "--set", "layers=[6]", "--out", out]
    result = zsad("score", pictures, *options, "--maps", "--overlays", *by_hand)
    assert result.exit_code == 0, result.output
    assert f"2 images scored: {out}" in result.stdout
    assert np.load(out / "maps" / "b" / "c.jpg.npz")["map"].shape == (40, 40)
    assert Image.open(out / "overlays" / "a.png.png").width == Image.open(pictures / "a.png").width
    assert (out / "scores.parquet").is_file()


def test_a_corrupt_image_is_named_and_costs_the_exit_code(by_hand: list[object], tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "in", ("a.png",))
    (pictures / "bad.png").write_text("no image")
    options = ["--method", "clip", "--class-name", "bottle", "--set", "layers=[6]"]
    result = zsad("score", pictures, "--out", tmp_path / "out", *options, *by_hand)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == ["left out: bad.png: not an image of a known format"]
    assert "1 image scored, 1 file left out" in result.stdout


def test_an_official_file_goes_in_comes_out_and_scores(
    official: Path, by_hand: list[object], tmp_path: Path
) -> None:
    pictures = write_pictures(tmp_path / "in", ("a.png", "b.png"))
    ours, back = tmp_path / "ours.safetensors", tmp_path / "back.pth"
    result = zsad("import-checkpoint", official, ours, "--set", "dpam_start=3", *by_hand)
    assert result.exit_code == 0, result.output
    assert "AnomalyCLIP, no released file that is known by its digest" in result.stdout
    assert read_checkpoint(ours)[1]["provenance"]["file"] == "epoch_15.pth"
    result = zsad("import-checkpoint", ours, back, "--to", "official", *by_hand)
    assert result.exit_code == 0, result.output
    before, after = (torch.load(path, weights_only=True)["prompt_learner"] for path in (official, back))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    result = zsad("score", pictures, "--checkpoint", ours, "--out", tmp_path / "out", *by_hand)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "clp"], "unknown method 'clp'; did you mean 'clip'?"),
        (["--method", "vand"], "vand is a learnt method: give its checkpoint"),
        (["--checkpoint", "gone.pth"], "gone.pth does not exist"),
        (["--method", "clip", "--set", "layers=[9]"], "methods.clip.layers: 9 is no block"),
        (["--method", "clip", "--set", "layers=[6]"], "clip reads the class name"),
    ],
)
def test_errors_are_one_line_with_exit_code_1(
    by_hand: list[object], tmp_path: Path, arguments: list[str], message: str
) -> None:
    pictures = write_pictures(tmp_path / "in", ("a.png",))
    result = zsad("score", pictures, "--out", tmp_path / "out", *arguments, *by_hand)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line


@pytest.mark.parametrize(
    "arguments",
    [["--model", "ViT-L-14"], ["--image-size", "40"], ["--method", "clip", "--set", "layers"]],
)
def test_options_that_do_not_go_together_are_usage_errors(tmp_path: Path, arguments: list[str]) -> None:
    pictures = write_pictures(tmp_path / "in", ("a.png",))
    assert zsad("score", pictures, *arguments).exit_code == 2


def test_the_target_of_a_conversion_must_look_like_what_it_is(official: Path, tmp_path: Path) -> None:
    assert zsad("import-checkpoint", official, tmp_path / "a.pth").exit_code == 2
    assert zsad("import-checkpoint", official, tmp_path / "a.safetensors", "--to", "official").exit_code == 2


def test_plan_prints_cost_and_simulates_clusters(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    rate = Rates(
        start=1.0, cell=0.0, image=0.5, score=0.0, pixels=0.0, finish=0.0, part=0.0, memory=3 * 2**30
    )
    monkeypatch.setattr("pipeline.speed.rates", lambda _tasks, **_: {"main": rate})
    result = zsad("plan", "--simulate", "1,2,64")
    assert result.exit_code == 0, result.stderr
    images = 3 * 11 + 30 + 30 + 12  # btad, sdd, headct, endo
    assert f"{images} images to encode, in 6 passes over a subset" in result.stdout
    assert "at most 3.0 GiB per worker" in result.stdout
    one, two, many = result.stdout.splitlines()[-3:]
    assert one.split()[0] == "1"
    assert one.endswith("1.0x   98%  its work")
    assert two.split()[0] == "2"
    assert many.endswith("its longest group, headct/brain, images 1 to 16; more workers than 8 are of no use")


def test_plan_says_one_reason_once(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cli.plan._show_cost", lambda *_: None)
    next(trained.folder.glob("shards/*/sdd/manifest.json")).unlink()
    result = zsad("plan")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("refused: clip on sdd/electrical commutators and ")
    assert line.endswith("prepare the data set first (dvc repro prepare)")


@pytest.mark.parametrize("counts", ["", "0", "two", "1,-3"])
def test_impossible_numbers_of_workers_are_usage_errors(counts: str) -> None:
    result = zsad("plan", "--simulate", counts)
    assert result.exit_code == 2
    assert "is not a list of positive numbers" in result.stderr


def test_a_cluster_is_simulated_for_the_whole_plan_alone() -> None:
    result = zsad("plan", "--simulate", "2", "--only", "failed")
    assert result.exit_code == 2
    assert "--only failed is of the last run: leave out --simulate" in result.stderr


def test_a_folder_that_cannot_be_written_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def create(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    monkeypatch.setattr("pipeline.project.create", create)
    result = zsad("init", "closed")
    assert (result.exit_code, result.stderr) == (
        1,
        "error: closed: Permission denied; change its permissions, or use another folder\n",
    )


def test_missing_params_are_named(tmp_path: Path) -> None:
    result = zsad("--params", tmp_path / "params.yaml", "plan")
    assert result.exit_code == 1
    assert "params.yaml is missing" in result.stderr


def test_diff_finds_nothing_between_equal_tables(tmp_path: Path) -> None:
    golden = ROOT / "tests" / "tables" / "golden"
    result = zsad("diff", golden, golden)
    assert result.exit_code == 0
    assert "values compared, 0 moved by more than 0.05 points.\n" in result.stdout
    assert zsad("diff", golden, tmp_path).exit_code == 1


def test_what_steers_a_terminal_is_shown_and_not_sent(tmp_path: Path) -> None:
    result = zsad("--params", tmp_path / "\x1b[2J\u202eparams.yaml", "plan")
    assert result.exit_code == 1
    assert r"\x1b[2J\u202eparams.yaml is missing" in result.stderr
    assert "\x1b" not in result.stderr
