"""Makes the n-th system call of a kind fail, in stages and commands, and looks at what is left behind.

Run by `test_sweep` with `faults.c` preloaded: `python -m tests.e2e.sweep LIBRARY FOLDER MOST STEP...`, a step
such as `prepare` or, of some kinds only, `prepare=read,write`. Prints one JSON object per fault: what
the step said, its exit code, whether what it left is right, and whether the next run ends with the right
bytes. What is heavy is imported once; each try is a fork of this process.
"""

import ctypes
import errno
import json
import os
import shutil
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

from pipeline import catalog, downloads
from pipeline.cli import main
from pipeline.datasets import add_dataset, prepare_dataset
from pipeline.errors import TrainingError, ZsadError
from pipeline.execution.training import Trainer
from pipeline.params import load_params
from stages import report, tables
from stages.entry import stage
from tests.conftest import make_project, read_small_params
from tests.downloads.server import serving
from tests.downloads.sets import http, published, record, zipped
from tests.execution import running
from tests.execution.folder_files import write_pictures
from tests.project import ROOT

AUXILIARY = "colon_auxiliary"  # only tuned on
KINDS = {"open": 1, "read": 2, "write": 3, "fsync": 4, "rename": 5, "mkdir": 6}
COUNTED = ("all", 0, 0)  # no fault, and calls of every kind are counted
ERRORS = (errno.EIO, errno.ENOSPC, errno.EMFILE, errno.EROFS)

Outputs = dict[str, bytes]


def _prepare() -> None:
    manifest = prepare_dataset(load_params(), "headct")
    for error in manifest.errors.values():
        sys.stderr.write(f"unusable: {error}\n")


def _train() -> None:
    trainer = Trainer(load_params(), AUXILIARY)
    for _, tune in trainer.jobs():
        with suppress(TrainingError):
            tune()
    trainer.close()
    for name, reason in trainer.failed.items():
        sys.stderr.write(f"{name} not written: {reason}\n")


def _evaluate() -> None:
    summary = running.evaluate()
    if not summary.complete:
        raise ZsadError("; ".join(" ".join(line.split()) for line in summary.lines()))


def _add() -> None:
    with suppress(FileExistsError):
        Path("photos").mkdir()
    add_dataset(Path("photos"), "widgets")


def _score() -> None:
    words = ["--class-name", "bottle", "--out", "scored"]
    main(["score", "pictures", "--method", "clip", *words], standalone_mode=False)


def _download() -> None:
    """From a server of this machine; a lost connection is tried again at once."""
    open_store = downloads.open_store

    @contextmanager
    def impatient(root: Path, ledger: Path, display: downloads.Display) -> Iterator[downloads.Store]:
        with open_store(root, ledger, display) as store:
            yield replace(store, patience=replace(store.patience, first=0.01, longest=0.01))

    def widgets(name: str) -> catalog.DatasetRecord:
        return WIDGETS

    catalog.record, downloads.open_store = widgets, impatient  # each try is a fork
    main(["download", "widgets"], standalone_mode=False)


# In the order in which a project comes to be; those that need no weights first.
STEPS: dict[str, tuple[Callable[[], None], tuple[str, ...]]] = {
    "prepare": (_prepare, ("shards",)),
    "score": (_score, ("scored",)),
    "download": (_download, ("data-paper/widgets",)),
    "add": (_add, ("datasets", "data-own")),
    "train": (_train, ("weights",)),
    "evaluate": (
        _evaluate,
        ("results/miniature/metrics", "results/miniature/scores", "results/miniature/examples"),
    ),
    "tables": (tables.run, ("results/miniature/tables", "results/last-run", "results/means")),
    "report": (report.run, ("results/miniature/report",)),
}


def _prepare_all() -> None:
    for dataset in load_params().datasets:
        running.prepare(dataset)


def _train_all() -> None:
    for auxiliary in load_params().auxiliaries:
        running.train(auxiliary)


# What the steps behind one find done.
_LATER: dict[str, Callable[[], object]] = {
    "prepare": _prepare_all,
    "train": _train_all,
    "evaluate": running.evaluate,
}


class Faults:
    """The preloaded library."""

    def __init__(self, library: str, folder: Path) -> None:
        self._library = ctypes.CDLL(library)
        self._folder = str(folder).encode()

    def arm(self, kind: str, nth: int, error: int = errno.EIO) -> None:
        self._library.fault_arm(KINDS.get(kind, len(KINDS) + 1), nth, error, self._folder)

    def counts(self) -> dict[str, int]:
        return {kind: int(self._library.fault_count(number)) for kind, number in KINDS.items()}


def attempt(
    step: str, folder: Path, log: Path, faults: Faults, fault: tuple[str, int, int]
) -> tuple[int, dict[str, int]]:
    """Run a step in a fork, with a fault.

    Returns:
        Its exit code, and how many calls of the kind there were.
    """
    pid = os.fork()
    if not pid:
        code, counts = _inside(step, folder, log, faults, fault)
        (log.parent / "counts").write_text(json.dumps(counts))
        os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), json.loads((log.parent / "counts").read_text())


def _inside(
    step: str, folder: Path, log: Path, faults: Faults, fault: tuple[str, int, int]
) -> tuple[int, dict[str, int]]:
    os.chdir(folder)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    code = 0
    faults.arm(*fault)
    try:
        stage(STEPS[step][0])
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - whatever it is, it is a finding
        traceback.print_exc()
        code = 70
    counts = faults.counts()
    faults.arm("open", 0)
    sys.stdout.flush()
    sys.stderr.flush()
    return code, counts


def left(folder: Path, outputs: tuple[str, ...]) -> Outputs:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for output in outputs
        for path in sorted((folder / output).rglob("*"))
        if path.is_file()
    }


def _templates(
    home: Path, faults: Faults, steps: Sequence[str]
) -> Iterator[tuple[str, Path, Outputs, dict[str, int]]]:
    """Each of `steps` with the project as it is before it, what it makes there, and with how many calls."""
    values = read_small_params()
    values["methods"] = {name: values["methods"][name] for name in ("clip", "anomalyclip")}
    values["methods"]["anomalyclip"]["training"] = {"epochs": 1}
    values |= {"datasets": ["sdd", "headct", AUXILIARY], "protocol": AUXILIARY}
    values |= {key: [AUXILIARY] for key in ("auxiliaries", "auxiliary")}
    template = home / "template"
    make_project(template, values)
    shutil.copytree(ROOT / "samples" / AUXILIARY, template / "samples" / AUXILIARY)
    (template / "data").mkdir()
    for dataset in values["datasets"]:
        shutil.move(template / "samples" / dataset, template / "data" / dataset)
    for part in ("pipeline", "stages"):  # many files, and no fault is injected there
        shutil.rmtree(template / part)
        (template / part).symlink_to(ROOT / part)
    write_pictures(template / "pictures", ("a.png", "b.png"))
    write_pictures(template / "photos", ("good/a.png", "good/b.png", "bad/c.png"))
    order = list(STEPS)
    for step in order[: 1 + max(map(order.index, steps))]:
        if step in steps:
            yield step, *_before_and_after(home, faults, step)
        if step in _LATER:
            os.chdir(template)
            _LATER[step]()


def _before_and_after(home: Path, faults: Faults, step: str) -> tuple[Path, Outputs, dict[str, int]]:
    before, log = home / f"before-{step}", home / "log"
    shutil.copytree(home / "template", before, symlinks=True)
    _copy(before, home / "project")
    code, counts = attempt(step, home / "project", log, faults, COUNTED)
    assert code == 0, log.read_text()
    return before, left(home / "project", STEPS[step][1]), counts


def _copy(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)


def chosen(calls: int, most: int) -> list[int]:
    """At most `most` numbers from 1 to `calls`, evenly spaced, ends included."""
    if most == 1 < calls:
        return [(calls + 1) // 2]
    if calls <= most:
        return list(range(1, calls + 1))
    return sorted({1 + round(number * (calls - 1) / max(1, most - 1)) for number in range(most)})


def sweep(
    home: Path, faults: Faults, most: int, steps: Mapping[str, Sequence[str]]
) -> Iterator[dict[str, Any]]:
    errors = cycle(ERRORS)
    project, log = home / "project", home / "log"
    for step, before, expected, calls in _templates(home, faults, list(steps)):
        outputs = STEPS[step][1]
        for kind in steps[step]:
            for nth in chosen(calls[kind], most):
                _copy(before, project)
                error = next(errors)
                start = time.perf_counter()
                code, met = attempt(step, project, log, faults, (kind, nth, error))
                seconds = time.perf_counter() - start
                said, after = log.read_text(errors="replace"), left(project, outputs)
                again = attempt(step, project, log, faults, ("open", 0, 0))[0] if code else 0
                yield {
                    "step": step,
                    "kind": kind,
                    "nth": nth,
                    "error": errno.errorcode[error],
                    "met": met[kind] >= nth,
                    "code": code,
                    "seconds": seconds,
                    "said": said,
                    "right": after == expected,
                    "again": again,
                    "said_again": log.read_text(errors="replace") if again else "",
                    "right_again": left(project, outputs) == expected,
                }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    library, folder, most, *steps = sys.argv[1:]
    place = Path(folder).resolve()
    with serving() as server:
        archive = zipped()
        WIDGETS = record(http(server.put("/widgets.zip", archive), **published(archive)))
        named = (step.partition("=") for step in steps or STEPS)
        wanted = {name: kinds.split(",") if kinds else list(KINDS) for name, _, kinds in named}
        for outcome in sweep(place, Faults(library, place / "project"), int(most), wanted):
            sys.stdout.write(json.dumps(outcome) + "\n")
            sys.stdout.flush()
