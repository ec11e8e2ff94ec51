"""What a user waits for beside the work itself: the four figures that are asked for, in turns.

    python -m benchmarks start_up

Trivial cells are those of `python -m benchmarks orchestration`. The whole benchmark is `dvc repro` in a new
clone of the last commit, as `make repro` runs it; the second `dvc repro` follows it at once. DVC's own part
of that is said beside it: `dvc status` of one data set in the same clone, and of an empty repository.
Evaluation is that of `python -m benchmarks evaluation` against the published scheme in one process.
"""

import argparse
import contextlib
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from benchmarks.common import add_rounds, facts, interleaved, table, write_section
from benchmarks.evaluation import WORKERS, on, ours, published_scheme
from benchmarks.miniature import miniature_params, project, tasks
from benchmarks.orchestration import make_stages, run_command, run_stage
from benchmarks.subjects import ROOT

_CLONE, _EMPTY = Path("clone"), Path("empty")


def _in(folder: Path, *command: str) -> None:
    with contextlib.chdir(folder):
        run_command(*command)


def _whole() -> None:
    shutil.rmtree(_CLONE, ignore_errors=True)
    run_command("git", "clone", "-q", "--no-hardlinks", str(ROOT), str(_CLONE))
    _in(_CLONE, "dvc", "repro")


def _contenders(alone: ProcessPoolExecutor, pool: ProcessPoolExecutor) -> dict[str, Callable[[], object]]:
    groups = tasks(miniature_params())
    return {
        "trivial": lambda: run_stage("ours"),
        "whole": _whole,
        "second": lambda: _in(_CLONE, "dvc", "repro"),
        "status": lambda: _in(_CLONE, "dvc", "status", "prepare@btad"),
        "empty": lambda: _in(_EMPTY, "dvc", "status"),
        "published": lambda: on(alone, partial(published_scheme, threads=WORKERS), groups),
        "evaluation": lambda: on(pool, ours, groups),
    }


def measure(rounds: int) -> str:
    """The section; inside a project."""
    make_stages()
    _EMPTY.mkdir()
    _in(_EMPTY, "git", "init", "-q")
    _in(_EMPTY, "dvc", "init", "-q")
    run_stage("ours")  # Prefect makes its database
    spawn = get_context("spawn")
    with (
        ProcessPoolExecutor(max_workers=1, mp_context=spawn) as alone,
        ProcessPoolExecutor(max_workers=WORKERS, mp_context=spawn) as pool,
    ):
        contenders = _contenders(alone, pool)
        on(alone, ours, tasks(miniature_params()))
        for _ in range(2):  # the towers are loaded, in each worker
            contenders["evaluation"]()
        found = interleaved(contenders, rounds)
    times = found["published"] / found["evaluation"]
    rows = [
        ["36 trivial cells", f"{found['trivial']:.1f} s", "12 s"],
        ["`dvc repro` in a new clone, six methods", f"{found['whole']:.0f} s", "120 s"],
        ["the second `dvc repro`", f"{found['second']:.2f} s", "1.0 s"],
        ["`dvc status` of one data set there", f"{found['status']:.2f} s", ""],
        ["`dvc status` of an empty repository", f"{found['empty']:.2f} s", ""],
        ["evaluation, times the published scheme in one process", f"{times:.1f}", "8"],
    ]
    return table(["", "measured", "asked"], rows)


def options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    add_rounds(parser, 3)


def run(arguments: argparse.Namespace) -> None:
    """Measure and write the section."""
    with project():
        body = measure(arguments.rounds)
    words = f"Medians of {arguments.rounds} interleaved rounds, wall time. {facts()}"
    write_section("start_up", "Start-up", f"{words}\n\n{body}")
