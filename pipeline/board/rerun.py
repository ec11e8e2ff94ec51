"""What only a project can check of rows: its settings, code, data and weights, and cells run again.

The plan of this project's params gives, for every cell, the columns that its row must have; where shards and
weights are there, the key too. Learnt weights end in other last digits on another machine, so those and the
keys above them are compared only where nothing is learnt.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pipeline.board.verify import Verdict
from pipeline.cells import CellKey, by_reason
from pipeline.execution.backends import open_backend
from pipeline.execution.run import Run, open_run
from pipeline.execution.store import CellStore
from pipeline.params import Params
from pipeline.results import METRICS, CellRow, library_versions

TOLERANCE: Final = {"pixel_pro": 2e-3}
"""By how much a cell may move on another machine, as a share; `_USUAL` for the other metrics."""
_USUAL: Final = 5e-4
_COMPARED: Final = ("auxiliary", "protocol", "build_name", "image_size", "params", "build")
_OF_A_RELEASE: Final = ("code",)
_OF_NO_TRAINING: Final = ("weights", "cell_key")
_NOWHERE: Final = Path(".zsad") / "no cells"
_SHOWN: Final = 20


def against_project(verdict: Verdict, params: Params | None) -> Verdict:
    """`verdict` with what the project of `params` says of every row; None where there is no project."""
    if verdict.outcome is None:
        return verdict
    profile = verdict.outcome.profile
    if params is None or profile != params.profile:
        here = "there is no project here" if params is None else f"this project has profile {params.profile}"
        told = f"settings, code, data, weights and keys: {here}; verify in one of profile {profile}"
        return _more(verdict, unchecked=[told])
    run = open_run(params, CellStore(_NOWHERE))
    known = {cell.cell.key: cell.columns for task in run.tasks for cell in task.cells}
    same_release = _release(verdict) == library_versions()["zsad"]
    reasons = [
        reason
        for row in verdict.outcome.rows
        if row.status == "ok" and row.key in known
        for reason in _other_columns(row, known[row.key], same_release=same_release)
    ]
    return _more(verdict, reasons, _unknown(verdict.outcome.rows, known, run, same_release=same_release))


def rerun(verdict: Verdict, params: Params, number: int, seed: int | None = None) -> Verdict:
    """`verdict` after `number` random cells were run again where data and the same weights are there.

    Args:
        verdict: of `against_project`.
        params: of the project.
        number: of cells.
        seed: of the choice; None lets the machine choose, so that nobody knows which cells to forge well.
    """
    if verdict.outcome is None or verdict.outcome.profile != params.profile:
        return verdict
    run = open_run(params, CellStore(_NOWHERE))
    rows = {row.key: row for row in verdict.outcome.rows if row.status == "ok"}
    can = sorted(
        cell.cell.key
        for task in run.tasks
        for cell in task.cells
        if cell.cell.key in rows and rows[cell.cell.key].weights == cell.columns["weights"]
    )
    chosen = set(_generator(seed).sample(can, min(number, len(can))))
    reasons = [reason for row in _again(run, params, chosen) for reason in _moved(rows[row.key], row)]
    left = f"only {len(chosen)} of {number} cells could be run again: data or weights of others are not here"
    return _more(verdict, reasons, [left] if len(chosen) < number else [])


def _generator(seed: int | None) -> random.Random:
    return random.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311 - for tests


def _again(run: Run, params: Params, chosen: set[CellKey]) -> Iterator[CellRow]:
    with open_backend(params.compute.model_copy(update={"backend": "serial", "time_limit": None})) as backend:
        for task in run.tasks:
            cells = tuple(cell for cell in task.cells if cell.cell.key in chosen)
            if cells:
                results, _usage = backend.run(replace(task, cells=cells), lambda _place: None)
                yield from (result.row for result in results)


def _moved(told: CellRow, found: CellRow) -> Iterator[str]:
    if found.status == "failed":
        yield f"{told.name}: run again, it failed: {found.error}"
        return
    for metric in METRICS:
        before, after = getattr(told, metric), getattr(found, metric)
        if (before is None) != (after is None) or (
            before is not None and abs(before - after) > TOLERANCE.get(metric, _USUAL)
        ):
            yield f"{told.name}: {metric} is {before}, run again {after}"


def _other_columns(row: CellRow, columns: Mapping[str, Any], *, same_release: bool) -> Iterator[str]:
    compared = [*_COMPARED, *(_OF_A_RELEASE if same_release else ())]
    if row.seed is None:
        compared += _OF_NO_TRAINING if same_release else _OF_NO_TRAINING[:1]
    for column in compared:
        told, own = getattr(row, column), columns[column]
        if told is not None and told != own:
            yield f"{row.name}: {column} is {str(told)[:12]}, in this project {str(own)[:12]}"


def _unknown(
    rows: Sequence[CellRow], known: Mapping[CellKey, Any], run: Run, *, same_release: bool
) -> list[str]:
    """What of the rows this project does not know, a line for each reason."""
    reasons = {cell.key: reason for cell, reason in run.refused}
    strange = [
        (row.name, reasons.get(row.key, "not part of this project's params"))
        for row in rows
        if row.status == "ok" and row.key not in known
    ]
    told = [f"settings, data and weights of {line}" for line in by_reason(strange)]
    if not same_release:
        told.append("code and keys: another release ran it; install that one and verify with it")
    return told


def _release(verdict: Verdict) -> object:
    return (verdict.run or {}).get("libraries", {}).get("zsad")


def _more(verdict: Verdict, reasons: Sequence[str] = (), unchecked: Sequence[str] = ()) -> Verdict:
    return replace(
        verdict,
        reasons=(*verdict.reasons, *reasons[:_SHOWN]),
        unchecked=(*verdict.unchecked, *unchecked),
    )
