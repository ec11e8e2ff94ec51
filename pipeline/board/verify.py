"""Is another person's `results/<profile>` what a run of a release would have left? Accepted, or each reason.

The folder is hostile input: nothing in it is run or shown, a link or an unknown file ends the check
before anything is read, and files are read within bounds. What can be computed again is: image metrics from
scores, tables from rows, keys from this project's settings, data and weights where they are there. What
cannot is held against itself: one build a subset, one weights digest a training. A forgery that is consistent
in all of that passes; only running cells again (`rerun`) finds it.
"""

import csv
import json
import math
import os
import re
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from pipeline import catalog
from pipeline.cells import CellKey
from pipeline.errors import ZsadError
from pipeline.metrics import image_metrics
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
from pipeline.tables import ExpectedSet, Outcome, expected_sets, outcome_of, table_texts
from pipeline.tables.values import KEY_COLUMNS
from pipeline.tables.verdicts import other_build

CANNOT: Final = (
    "not seen by this check: a forgery that is consistent in rows, scores and tables; pixel metrics and "
    "intervals (maps are not kept); `--rerun N` runs random cells again where data and weights are there"
)
_PARTS: Final = {"metrics", "scores", "examples", "tables", "report", "run.json"}
_FILE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,120}")
_MOST_FILES: Final = 20_000
_MOST_BYTES: Final = 512 << 20  # of a file with rows
_MOST_TEXT: Final = 32 << 20  # of any other
_MOST_ROWS: Final = 10_000_000
_LONGEST: Final = 200  # letters of what is printed
_PRINTED: Final = ("method", "variant", "title", "protocol", "build_name", "shown_by")
_LONGEST_SIDECAR: Final = 1 << 20
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_DIGESTS: Final = ("build", "weights", "params", "code", "cell_key")
_NOISE: Final = 1e-9  # of float sums on another machine
_SHOWN: Final = 20  # reasons of one kind
# What has one value over the rows that share something: the columns, and what they share.
_ONE: Final[dict[str, tuple[tuple[str, ...], Callable[[CellRow], object]]]] = {
    "on one subset": (
        ("build", "n_images", "n_normal", "n_anomalous"),
        lambda row: (row.dataset, row.subset),
    ),
    "of one data set": (("build_name",), lambda row: row.dataset),
    "of one system": (("image_size", "params", "title", "track"), lambda row: row.key.system),
    "of one method": (("code",), lambda row: row.method),
    "of one training": (("weights",), lambda row: (row.key.system, row.seed, row.auxiliary)),
}


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
    reasons += _too_long(rows)
    if reasons or not rows:
        return Verdict(tuple(reasons or [f"{folder}: it has no rows"]), run=run)
    try:
        expected = expected_sets(_in_order(rows), _builds(rows))
        outcome = outcome_of(frames["metrics"], expected, rows[0].profile, folder / "scores")
    except ZsadError as error:
        return Verdict((str(error),), run=run)
    reasons += [*_incomplete(outcome), *_unlike_themselves(rows), *_against_the_rule(rows, outcome)]
    reasons += _against_scores(rows, frames["scores"])
    reasons += _against_examples(frames["scores"], frames["examples"])
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
            elif status.st_size > (most := _MOST_BYTES if name.endswith(".parquet") else _MOST_TEXT):
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
            places = {
                (slug(row.dataset), slug(row.subset)) for row in frame[["dataset", "subset"]].itertuples()
            }
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
    return [*(name for name in catalog.names() if name in present), *sorted({*present} - {*catalog.names()})]


def _builds(rows: Iterable[CellRow]) -> dict[str, str]:
    """The builds that rows name and that are not the paper's."""
    profiles = {row.profile for row in rows}
    named = {row.dataset: row.build_name for row in rows if row.build_name not in profiles}
    return {name: build for name, build in named.items() if build is not None}


def _is_current(metrics: pd.DataFrame) -> bool:
    return set(metrics["schema_version"]) == {SCHEMA_VERSION}


def _incomplete(outcome: Outcome) -> Iterator[str]:
    if outcome.incomplete:
        yield outcome.incomplete


def _unlike_themselves(rows: Iterable[CellRow]) -> Iterator[str]:
    """Digests that are none, keys that occur twice, and what ought to be one and is not."""
    done = [row for row in rows if row.status == "ok"]
    for row in done:
        for column in _DIGESTS:
            if not _DIGEST.fullmatch(str(getattr(row, column))):
                yield f"{row.name}: {column} is no SHA-256"
    keys: dict[str | None, CellRow] = {}
    for row in done:
        if (first := keys.setdefault(row.cell_key, row)) is not row:
            yield f"{row.name}: has the cell_key of {first.name}"
    for shared, (columns, of) in _ONE.items():
        groups: dict[object, list[CellRow]] = defaultdict(list)
        for row in done:
            groups[of(row)].append(row)
        for group in groups.values():
            for column in columns:
                yield from _not_one(group, column, shared)


def _too_long(rows: Iterable[CellRow]) -> Iterator[str]:
    for row in rows:
        for column in _PRINTED:
            if len(getattr(row, column) or "") > _LONGEST:
                yield f"{row.dataset}/{row.subset}: a {column} of more than {_LONGEST} letters"


def _not_one(group: list[CellRow], column: str, shared: str) -> Iterator[str]:
    values = [getattr(row, column) for row in group]
    usual = max(dict.fromkeys(values), key=values.count)
    odd = [row for row in group if getattr(row, column) != usual]
    if odd:
        yield f"{odd[0].name}: another {column} than the other rows {shared} ({_short(usual)})"


def _short(value: object) -> str:
    return str(value)[:12]


def _against_the_rule(rows: Iterable[CellRow], outcome: Outcome) -> Iterator[str]:
    """Test images of another build than its name, and a training on what is measured."""
    for row in rows:
        held = () if row.auxiliary is None else _holds_images_of(row.auxiliary)
        if row.auxiliary is not None and row.dataset in (row.auxiliary, *held):
            yield f"{row.name}: tuned on {row.auxiliary}, whose images it is measured on"
        if (row.auxiliary is None) != (row.seed is None) and row.status == "ok":
            yield f"{row.name}: a training has a seed and an auxiliary set, or neither"
    for own in outcome.means.values():
        for dataset, record in outcome.expected.items():
            named = next((row.build_name for row in own.rows if row.dataset == dataset), None)
            if record.build is not None and named == record.build.name:
                wrong = _unlike_build(record, own.counts(dataset))
                if wrong:
                    yield f"{own.system.name} on {dataset}: {wrong}; that is no build {named!r}"


def _unlike_build(record: ExpectedSet, counted: Mapping[str, tuple[int, int]]) -> str | None:
    """How test images differ from the build that was asked for: by subset for the paper's, else in sum."""
    if record.build is None or record.build.counts == record.total:
        return other_build(record, counted)
    total = tuple(map(sum, zip(*counted.values(), strict=True)))
    wanted = record.build.counts
    if any(want not in (None, have) for want, have in zip(wanted, total, strict=False)):
        return f"{total[0]}/{total[1]} images, not {wanted[0]}/{wanted[1]}"
    return None


def _holds_images_of(auxiliary: str) -> tuple[str, ...]:
    try:
        return catalog.record(auxiliary).holds_images_of
    except ZsadError:
        return ()


def _against_scores(rows: Iterable[CellRow], scores: pd.DataFrame) -> Iterator[str]:
    """Image metrics computed again from the scores of every cell."""
    keys = ["dataset", "subset", "method", "variant", "seed"]
    groups = {_key(*key): frame for key, frame in scores.groupby(keys, dropna=False, sort=False)}
    images: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for row in rows:
        frame = groups.pop(row.key, None)
        if row.status == "failed":
            continue
        if frame is None:
            yield f"{row.name}: has no scores"
            continue
        labels, values = frame["label"].to_numpy(int), frame["score"].to_numpy(float)
        counts = (len(labels), int((labels == 0).sum()), int((labels == 1).sum()))
        if counts != (row.n_images, row.n_normal, row.n_anomalous):
            yield f"{row.name}: its scores are of {counts[0]} images ({counts[1]} normal), unlike its row"
            continue
        named = [*zip(frame["image"], frame["label"], strict=True)]
        if images.setdefault((row.dataset, row.subset), named) != named:
            yield f"{row.name}: its scores are of other images than those of other cells of the subset"
        try:
            again = asdict(image_metrics(labels, values))
        except ZsadError as error:
            yield f"{row.name}: {error}"
            continue
        yield from (
            f"{row.name}: {metric} is {_text(getattr(row, metric))}, its scores give {_text(value)}"
            for metric, value in again.items()
            if not _equal(getattr(row, metric), value)
        )
    for key in groups:
        yield f"{key.name}: has scores and no row"


def _key(dataset: str, subset: str, method: str, variant: str, seed: Any) -> CellKey:
    return CellKey(dataset, subset, method, variant, None if pd.isna(seed) else int(seed))


def _equal(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=0, abs_tol=_NOISE)


def _text(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.6f}"


def _against_examples(scores: pd.DataFrame, examples: pd.DataFrame) -> Iterator[str]:
    """Every example is a scored image with that score."""
    columns = ["dataset", "subset", "method", "variant", "seed", "image", "label", "score"]
    sides = (frame[columns].fillna({"seed": -1}) for frame in (scores, examples))
    known, shown = (set(side.itertuples(index=False, name=None)) for side in sides)
    for example in sorted(shown - known):
        yield f"{example[0]}/{example[1]}: an example of {example[5]} is none of its scored images"


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
