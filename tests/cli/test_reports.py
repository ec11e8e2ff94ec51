"""`zsad tables` and `zsad diff`: any table in the terminal, and runs from folders, revisions, experiments."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from pipeline.cli import main
from pipeline.files import write_text
from pipeline.tables import FORMATS, KEPT, build_tables, expected_sets, keep_tables
from tests.conftest import DATASETS
from tests.tables.make import outcome, row

TABLES = Path("results/miniature/tables")
BASELINE = Path("baseline/miniature")


def zsad(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def git(*arguments: str) -> None:
    options = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *options, *arguments], check=True, capture_output=True)


def write_run(share: float, folder: Path = TABLES.parent) -> None:
    """A run of CLIP on HeadCT as results and CSV tables under `folder`."""
    spread = {"image_auroc_se": 0.002, "image_auroc_low": share - 0.004, "image_auroc_high": share + 0.004}
    rows = [row("headct", "brain", "clip", share, **spread)]
    for name, table in build_tables(outcome(folder, rows, expected_sets(DATASETS))).items():
        write_text(folder / "tables" / f"{name}.csv", FORMATS["csv"](table))


@pytest.fixture
def project(tmp_path: Path, small_params: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params alone."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(yaml.safe_dump(small_params))
    return tmp_path


@pytest.fixture
def repository(project: Path) -> Path:
    """A checkout whose baseline has 90 points on `main`, and whose results have 85."""
    git("init", "-b", "main")
    write_run(0.9)
    shutil.move(TABLES, BASELINE)
    git("add", "params.yaml", str(BASELINE))
    git("commit", "-m", "tables")
    write_run(0.85)
    return project


@pytest.fixture
def experiment(repository: Path) -> str:
    """What `dvc exp run` leaves of a run with 85 points: a ref of git, and the tables in DVC's cache."""
    keep_tables(TABLES)
    stage = {"cmd": "exit 1", "outs": [str(KEPT)]}
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {"tables": stage}}))
    for command in (["init", "-q"], ["commit", "-q", "-f"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], check=True)
    git("add", "dvc.yaml", "dvc.lock", ".dvc")
    git("commit", "-m", "run")
    git("update-ref", "refs/exps/ab/cdef/poor-drop", "HEAD")
    git("update-ref", "refs/exps/exec/EXEC_HEAD", "main~1")
    git("reset", "-q", "--hard", "main~1")
    shutil.rmtree("results")
    return "poor-drop"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("markdown", "# Table 2. Zero-shot anomaly detection on medical data sets"),
        ("latex", r"\begin{tabular}"),
        ("csv", "profile,table,task"),
        ("html", "<!doctype html>"),
        ("terminal", "Table 2. Zero-shot"),
    ],
)
def test_a_table_is_printed_in_every_format(project: Path, kind: str, text: str) -> None:
    write_run(0.9)
    result = zsad("tables", "table2", "--format", kind)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(text) or text in result.stdout
    assert not list(TABLES.glob("*.md"))


def test_a_data_set_is_a_table_and_the_terminal_is_the_default(project: Path) -> None:
    write_run(0.9)
    result = zsad("tables", "headct")
    assert "HeadCT, by subset" in result.stdout
    assert "90.0" in result.stdout


def test_an_unknown_table_says_which_there_are(project: Path) -> None:
    write_run(0.9)
    result = zsad("tables", "table9")
    assert result.exit_code == 1
    assert (
        "error: table9: this run has no such table; it has table1, table2, metrics, btad, sdd, headct, endo"
        in result.stderr
    )


def test_without_arguments_the_files_are_written(project: Path) -> None:
    write_run(0.9)
    result = zsad("tables")
    assert result.exit_code == 0, result.output
    assert {"table1.md", "table1.tex", "table1.csv", "table1.html"} <= {it.name for it in TABLES.iterdir()}


def test_revisions_and_folders_are_compared(repository: Path) -> None:
    for sides in (("main", "results/miniature"), (BASELINE, TABLES)):
        result = zsad("diff", *sides)
        assert result.exit_code == 1, result.output
        assert "worse: miniature table 2: headct, clip, image_auroc: 90.0000 -> 85.0000" in result.stdout
    better = zsad("diff", TABLES, "main")
    assert better.exit_code == 0
    assert "Nothing is worse beyond noise, and nothing is gone. `zsad diff --all` lists" in better.stdout
    assert "better: " not in better.stdout
    every = zsad("diff", TABLES, "main", "--all")
    assert "better: miniature table 2: headct, clip, image_auroc" in every.stdout


def test_an_experiment_has_the_tables_that_it_made(experiment: str) -> None:
    """And not its baseline, which is that of the revision from which it was run."""
    result = zsad("diff", "main", experiment)
    assert "worse: miniature table 2: headct, clip, image_auroc: 90.0000 -> 85.0000" in result.stdout
    shutil.rmtree(".dvc/cache")
    result = zsad("diff", "main", experiment)
    assert result.exit_code == 1
    assert "error: poor-drop: the tables of this experiment are not in DVC's cache" in result.stderr


def test_two_folders_need_no_project(repository: Path) -> None:
    folder = repository / TABLES
    Path("params.yaml").unlink()
    assert zsad("diff", folder, folder).exit_code == 0
    assert "params.yaml is missing" in zsad("diff", folder, "main").stderr


def test_exact_takes_every_move(repository: Path) -> None:
    assert zsad("diff", TABLES, "main", "--exact").exit_code == 1
    assert zsad("diff", "main", "main", "--exact").exit_code == 0


def test_markdown_for_a_pull_request(repository: Path) -> None:
    text = zsad("diff", "main", TABLES, "--format", "markdown").stdout
    assert text.startswith("**")
    worse = "| worse | miniature table 2: headct, clip, image_auroc | 90.00 | 85.00 | -5.00 | 0.28 | 0.79 |"
    assert worse in text
    # Metrics of the run without a standard error moved as well.
    assert re.search(r"\n- Not judged, [0-9]+: no standard error: [^\n]*\.\n", text)


def test_a_name_that_is_nothing_is_an_error(repository: Path) -> None:
    result = zsad("diff", "main", "nothing")
    assert result.exit_code == 1
    assert "error: nothing: neither a folder, a git revision nor a DVC experiment here" in result.stderr


def test_an_option_is_no_revision(repository: Path) -> None:
    result = zsad("diff", "--", "main", "--output=stolen")
    assert "neither a folder" in result.stderr
    assert not Path("stolen").exists()


def test_a_revision_without_a_baseline_is_an_error(repository: Path) -> None:
    git("rm", "-r", "-q", str(BASELINE))
    git("commit", "-m", "no baseline")
    result = zsad("diff", "HEAD", "main")
    assert result.exit_code == 1
    assert "error: HEAD: this revision has no baseline/miniature" in result.stderr
