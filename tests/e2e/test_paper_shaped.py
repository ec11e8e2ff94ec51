"""The paper profile as a person has it on the first day, in full-sized towers of random weights.

Two data sets were put in their place by hand, the others are not here, weights were brought in files, and it
is a smoke run of two images a subset. Some 26 s an image: minutes.
"""

import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipeline import methods
from pipeline.cells import System
from pipeline.clip import load_clip
from pipeline.clip.architecture import build_model, read_config
from pipeline.clip.spec import TowerSpec
from pipeline.execution.systems import weights_name
from pipeline.methods.base import LearntMethod
from pipeline.training import save_checkpoint
from tests.catalog import published
from tests.project import ROOT, Project

pytestmark = [pytest.mark.e2e, pytest.mark.soak, pytest.mark.timeout(3600)]

LARGE, PLUS = "pretrained/random-l14.safetensors", "pretrained/random-b16.safetensors"
HERE = {"sdd": published.sdd, "headct": published.headct}


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A fresh project under git and DVC, as a clone is."""
    made = Project(tmp_path / "box")
    for part in ("pipeline", "stages", "datasets"):
        shutil.copytree(ROOT / part, made.folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("params.yaml", "dvc.yaml", ".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        (made.folder / file).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / file, made.folder / file)
    monkeypatch.chdir(made.folder)
    made.run("git", "init", "-q")
    made.run("git", "add", "-A")
    made.run("git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "fresh")
    return made


def bring_data() -> None:
    for name, files in HERE.items():
        for path, content in files():
            target = Path("data-paper") / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def bring_weights() -> None:
    """Towers of random weights in 16 bits, as published ones are; learnt files of random parameters."""
    Path("pretrained").mkdir()
    torch.manual_seed(0)
    for model, path, activation in (
        ("ViT-L-14-336", LARGE, "quickgelu"),
        ("ViT-B-16-plus-240", PLUS, "gelu"),
    ):
        state = build_model(read_config(model), activation).state_dict()  # type: ignore[arg-type]
        save_file({name: tensor.half() for name, tensor in state.items()}, path)
    spec = TowerSpec("main", "ViT-L-14-336", LARGE, 518, "bilinear", "quickgelu")
    clip = load_clip(spec)
    for name in ("vand", "coop", "anomalyclip"):
        method = methods.build(name, {}, clip)
        assert isinstance(method, LearntMethod)
        method.reset(torch.Generator().manual_seed(111))
        file = Path("weights/paper/mvtec") / weights_name(System(name), 111)
        save_checkpoint(file, method, {"auxiliary": "mvtec", "seed": 111, "variant": ""})


def exp_run(box: Project, *settings: str) -> subprocess.CompletedProcess[str]:
    """`dvc exp run` of the paper profile on one core."""
    chosen = ["profile=paper", "compute.gpus=0", "compute.cpus=1", "compute.threads=1", "compute.batch=2"]
    process = box.start("dvc", "exp", "run", *(part for it in (*chosen, *settings) for part in ("-S", it)))
    output, _ = process.communicate(timeout=3000)
    return subprocess.CompletedProcess(process.args, process.returncode, output)


def test_what_is_here_runs_and_the_tables_say_what_is_not(box: Project) -> None:
    before = Path("params.yaml").read_bytes()
    stopped = exp_run(box)
    assert stopped.returncode == 1, stopped.stdout
    assert "18 of the 18 data sets of the paper profile are not here, and nothing" in stopped.stdout
    assert "`zsad download NAME`" in stopped.stdout
    assert Path("params.yaml").read_bytes() == before

    bring_data()
    bring_weights()
    files = {"main": LARGE, "vand": LARGE, "winclip": PLUS}
    towers = [f"towers.{name}.weights={path}" for name, path in files.items()]
    done = exp_run(box, "missing=leave_out", "limit=2", *towers)
    assert done.returncode == 0, done.stdout
    assert "cells: 12 run, 0 reused, 0 failed: complete" in done.stdout  # six methods on two subsets
    table = Path("results/paper/tables/table2.md").read_text(encoding="utf-8")
    assert "SMOKE RUN: at most 2 images of each subset" in table
    assert "LEFT OUT: BrainMRI, Br35H, COVID-19, ISIC" in table
    assert "INCOMPLETE" in table
    assert "not comparable" not in table  # nothing is held against the paper
    page = Path("results/paper/report/report.html").read_text(encoding="utf-8")
    assert "SMOKE RUN" in page
    assert "LEFT OUT" in page
