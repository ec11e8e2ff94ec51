"""Is another person's `results/<profile>` what a run of a release would have left? Accepted, or each reason.

The folder is hostile input: nothing in it is run or shown, a link or an unknown file ends the check
before anything is read, and files are read within bounds. What can be computed again is: image metrics from
scores, tables from rows, keys from this project's settings, data and weights where they are there. What
cannot is held against itself: one build a subset, one weights digest a training. A forgery that is consistent
in all of that passes; only running cells again (`rerun`) finds it.
"""

import csv
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from pipeline import catalog
from pipeline.board.rows import (
    against_examples,
    against_scores,
    against_the_rule,
    too_long,
    unlike_themselves,
)
from pipeline.errors import ZsadError
from pipeline.results import (
    EXAMPLES_SCHEMA,
    METRICS_SCHEMA,
    SCHEMA_VERSION,
    SCORES_SCHEMA,
    CellRow,
    library_versions,
    slug,
)
from pipeline.results.parquet import cell_rows, read_file
from pipeline.tables import Outcome, expected_sets, outcome_of, table_texts
from pipeline.tables.values import KEY_COLUMNS

CANNOT: Final = (
    "not seen by this check: a forgery that is consistent in rows, scores and tables; pixel metrics, "
    "intervals (maps are not kept) and costs; `--rerun N` runs random cells again where data and weights are "
    "there"
)
_PARTS: Final = {"metrics", "scores", "examples", "tables", "report", "cost", "run.json"}
_FILE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,120}")
_MOST_FILES: Final = 20_000
_MOST_BYTES: Final = 512 << 20  # of a file
_MOST_TEXT: Final = 32 << 20  # of a table, or of `run.json`
_MOST_ROWS: Final = 10_000_000
_LONGEST_SIDECAR: Final = 1 << 20
_SHOWN: Final = 20  # reasons of one kind


@dataclass(frozen=True)
class Verdict:
    """What was found.

    Attributes:
        reasons: why the folder is not accepted; none when it is.
        unchecked: what could not be checked here, and why.
        outcome: what its rows come to, None where they cannot be read.
        run: its `run.json`.
    """

    reasons: tuple[str, ...]
    unchecked: tuple[str, ...] = ()
    outcome: Outcome | None = None
    run: dict[str, Any] | None = None

    @property
    def accepted(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.reasons


def verify(folder: Path) -> Verdict:
    """Check the results of a run, such as `results/paper`, by what lies in the folder and by the catalog.

    Raises:
        ZsadError: the folder is not there.
        OSError: the machine cannot read it now.
    """
    if not folder.is_dir():
        raise ZsadError(f"{folder}: no such folder; give the results of one profile, such as results/paper")
    if unsafe := list(_unsafe(folder)):
        return Verdict(tuple(unsafe[:_SHOWN]))
    reasons: list[str] = []
    frames = {
        kind: _frame(folder / kind, schema, reasons)
        for kind, schema in (
            ("metrics", METRICS_SCHEMA),
            ("scores", SCORES_SCHEMA),
            ("examples", EXAMPLES_SCHEMA),
        )
    }
    run = _sidecar(folder / "run.json", reasons)
    rows = _rows(frames["metrics"], reasons)
    reasons += too_long(rows)
    if reasons or not rows:
        return Verdict(tuple(reasons or [f"{folder}: it has no rows"]), run=run)
    try:
        expected = expected_sets(_in_order(rows), _builds(rows))
        outcome = outcome_of(frames["metrics"], expected, rows[0].profile, folder / "scores")
    except ZsadError as error:
        return Verdict((str(error),), run=run)
    reasons += [*_incomplete(outcome), *unlike_themselves(rows), *against_the_rule(rows, outcome)]
    reasons += against_scores(rows, frames["scores"])
    reasons += against_examples(frames["scores"], frames["examples"])
    same_release = (run or {}).get("libraries", {}).get("zsad") == library_versions()["zsad"]
    reasons += _against_tables(
        folder / "tables", outcome, exact=same_release and _is_current(frames["metrics"])
    )
    unchecked = [] if same_release else ["text of tables: another release drew them; values were checked"]
    return Verdict(tuple(reasons), tuple(unchecked), outcome, run)


def _unsafe(folder: Path) -> Iterator[str]:
    """What nobody should read: links, devices, names that no run writes, too many or too large files."""
    count = 0
    for place, folders, files in os.walk(folder):
        for name in sorted([*folders, *files]):
            path = Path(place, name)
            inside = path.relative_to(folder).as_posix()
            shown = inside[:120].encode("unicode_escape").decode()
            status = path.lstat()
            count += 1
            if place == str(folder) and name not in _PARTS:
                yield f"{shown}: no part of results; leave it out"
            elif not _FILE.fullmatch(name):
                yield f"{shown}: a name that no run writes"
            elif not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
                yield f"{shown}: a link or a device; only files are taken"
            elif status.st_size > (
                most := _MOST_TEXT if inside.startswith(("tables/", "run.json")) else _MOST_BYTES
            ):
                yield f"{shown}: {status.st_size >> 20} MB; no such file of a run has over {most >> 20}"
        if count > _MOST_FILES:
            yield f"more than {_MOST_FILES} files; no run has so many"
            return


def _frame(folder: Path, schema: Any, reasons: list[str]) -> pd.DataFrame:
    """All rows of a kind of file, each in the file of its subset."""
    frames = [pd.DataFrame(columns=schema.names)]
    for path in sorted(folder.glob("*/*.parquet")):
        try:
            frame = read_file(path, schema)
            names = frame[["dataset", "subset"]].drop_duplicates().to_numpy().tolist()
            places = {(slug(str(dataset)), slug(str(subset))) for dataset, subset in names}
        except ZsadError as error:
            reasons.append(str(error))
            continue
        if places - {(path.parent.name, path.stem)}:
            reasons.append(f"{path}: holds rows of {'/'.join(min(places))}")
        frames.append(frame)
        if sum(map(len, frames)) > _MOST_ROWS:
            reasons.append(f"{folder}: more than {_MOST_ROWS} rows; no run has so many")
            break
    if len(frames) == 1 and folder.name == "metrics":
        reasons.append(f"{folder}: no results here")
    return pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)


def _sidecar(path: Path, reasons: list[str]) -> dict[str, Any] | None:
    """What `run.json` says of release and machine."""
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_LONGEST_SIDECAR))
        if not isinstance(content["libraries"]["zsad"], str):
            raise TypeError
    except FileNotFoundError:
        reasons.append(f"{path}: missing; it names the release and the libraries of the run")
    except (ValueError, KeyError, TypeError, RecursionError):
        reasons.append(f"{path}: is not what a run writes")
    else:
        return dict(content)
    return None


def _rows(metrics: pd.DataFrame, reasons: list[str]) -> list[CellRow]:
    if reasons or metrics.empty:
        return []
    try:
        return cell_rows(metrics)
    except ZsadError as error:
        reasons.append(str(error))
        return []


def _in_order(rows: Iterable[CellRow]) -> list[str]:
    """The data sets of `rows` as the tables of a run have them: in the catalog's order."""
    present = dict.fromkeys(row.dataset for row in rows)
    known = [name for name in catalog.shipped_names() if name in present]
    return [*known, *sorted({*present} - {*known})]


def _builds(rows: Iterable[CellRow]) -> dict[str, str]:
    """The builds that rows name and that are not the paper's."""
    profiles = {row.profile for row in rows}
    named = {row.dataset: row.build_name for row in rows if row.build_name not in profiles}
    return {name: build for name, build in named.items() if build is not None}


def _is_current(metrics: pd.DataFrame) -> bool:
    return set(metrics["schema_version"]) == {SCHEMA_VERSION}


def _incomplete(outcome: Outcome) -> Iterator[str]:
    if outcome.limit is not None:
        yield f"a smoke run of at most {outcome.limit} images a subset; its numbers mean nothing"
    if outcome.incomplete:
        yield outcome.incomplete


def _against_tables(folder: Path, outcome: Outcome, *, exact: bool) -> Iterator[str]:
    """Tables drawn again from the rows: the same values, and from the same release the same bytes.

    Figures are left out: nothing is read from them.
    """
    drawn = table_texts(outcome)
    paths = {
        path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
    }
    theirs = {name: path.read_bytes() for name, path in paths.items() if path.suffix != ".svg"}
    if not theirs:
        yield "tables/: missing; draw them with `zsad tables`"
        return
    for name, content in theirs.items():
        if name not in drawn:
            if exact:
                yield f"tables/{name}: these rows fill no such table"
        elif exact and content != drawn[name].encode():
            yield f"tables/{name}: does not follow from the rows"
        elif not exact and name.endswith(".csv"):
            yield from _other_values(name, content, drawn[name])
    if exact and (absent := sorted(set(drawn) - set(theirs))):
        yield f"tables/{absent[0]}: missing, as are {len(absent) - 1} more; draw them with `zsad tables`"


def _other_values(name: str, theirs: bytes, drawn: str) -> Iterator[str]:
    """The first value of an older release's table that these rows do not give."""
    found = _values(drawn)
    try:
        told = _values(theirs.decode())
    except (KeyError, TypeError, ValueError, csv.Error):
        yield f"tables/{name}: is no table of any release"
        return
    for place, value in told.items():
        if found.get(place) != value:
            yield f"tables/{name}: does not follow from the rows ({', '.join(filter(None, place))})"
            return


def _values(text: str) -> dict[tuple[str, ...], str]:
    """The value of each number of a table, by what names it."""
    lines = csv.DictReader(text.splitlines())
    return {tuple(line[column] for column in KEY_COLUMNS): line["value"] for line in lines}
