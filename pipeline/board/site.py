"""A static site of accepted runs: `index.html`, and the same data as `board.json` and `board.parquet`.

One page with everything in it, as the report is: it opens from disk, asks for nothing, and its policy forbids
any request. An entry is a folder that `verify` accepts; of its files only rows are taken. A mean is over the
rows of one system, so of one track and one protocol, and entries are never joined. Published numbers have
columns of their own, and stand beside entries of the paper's profile only.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from pipeline import catalog, methods
from pipeline.board.verify import Verdict
from pipeline.errors import ZsadError
from pipeline.files import write_bytes, write_text
from pipeline.report.write import asset, embedded, page_environment
from pipeline.results import METRICS, RULE_COLUMNS, CellRow, parquet
from pipeline.tables.aggregate import SystemMeans
from pipeline.tables.expected import Expected
from pipeline.tables.legend import METRIC_TITLES
from pipeline.tables.mean import Mean
from pipeline.tables.outcome import PAPER_PROFILE, Outcome, in_order
from pipeline.tables.published import PRINTED_NAMES, PublishedValue, published_table

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,60}")
_PACKAGE: Final = "pipeline.board"
_DIGITS: Final = 11
_PROVENANCE: Final = ("build", "weights", "params", "code", "cell_key")
_SCHEMA: Final = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("entry", "profile", "domain", "dataset", "method")),
        *(pa.field(name, pa.string()) for name in ("variant", "title", "metric", *RULE_COLUMNS)),
        *(pa.field(name, pa.float64()) for name in ("value", "low", "high")),
        pa.field("seeds", pa.string()),
    ]
)


@dataclass(frozen=True)
class Entry:
    """A run on the board.

    Attributes:
        name: as the board calls it: the name of the folder that was given.
        outcome: what its rows come to.
        run: its `run.json`.
    """

    name: str
    outcome: Outcome
    run: Mapping[str, Any]


def entry(folder: Path, verdict: Verdict) -> Entry:
    """The entry of an accepted folder; results in `<name>/<profile>` go by `<name>`.

    Raises:
        ZsadError: it is not accepted, or its folder cannot name an entry.
    """
    if verdict.outcome is None or not verdict.accepted:
        raise ZsadError(f"{folder}: {verdict.reasons[0]}; `zsad verify {folder}` lists every reason")
    parts = folder.resolve().parts
    name = parts[-2] if parts[-1] == verdict.outcome.profile and parts[-2] != "results" else parts[-1]
    if not _NAME.fullmatch(name):
        raise ZsadError(
            f"{folder}: {name[:60]!a} cannot name an entry; letters, digits, `.`, `_` and `-` can"
        )
    return Entry(name, verdict.outcome, verdict.run or {})


def write_board(entries: Sequence[Entry], out: Path) -> list[Path]:
    """Write the site of `entries`; the same entries give the same bytes.

    Returns:
        `index.html`, `board.json`, `board.parquet`.

    Raises:
        ZsadError: there is no entry, or two have one name.
    """
    names = [it.name for it in entries]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ZsadError(f"two entries are called {twice!r}; rename one of the folders")
    if not entries:
        raise ZsadError("a board needs an entry; give a folder that `zsad verify` accepts")
    board = board_data(entries)
    page = page_environment(_PACKAGE).get_template("board.html")
    scripts = [asset("dom.js"), asset("tables.js"), asset("board.js", _PACKAGE), asset("theme.js")]
    marks = [mark for it in entries for mark in _marks(it)]
    text = page.render(
        marks=list(dict.fromkeys(marks)),
        index=embedded(board),
        style=asset("style.css"),
        scripts=scripts,
    )
    paths = [out / "index.html", out / "board.json", out / "board.parquet"]
    write_text(paths[0], text)
    write_text(paths[1], json.dumps(board, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    write_bytes(paths[2], parquet.to_bytes(_table(board), {}))
    return paths


def _marks(entry: Entry) -> list[str]:
    return [f"{entry.name}: {mark}" for mark in entry.outcome.marks(short=True)]


def board_data(entries: Iterable[Entry]) -> dict[str, Any]:
    """JSON-able: metrics, data sets, methods, entries, a number for each mean, a row for each cell."""
    entries = list(entries)
    expected: Expected = {name: it for own in entries for name, it in own.outcome.expected.items()}
    order = [name for name in (*catalog.shipped_names(), *sorted(expected)) if name in expected]
    systems = in_order({system for own in entries for system in own.outcome.means})
    numbers = [number for own in entries for number in _numbers(own)]
    return {
        "metrics": [{"name": metric, "title": METRIC_TITLES[metric]} for metric in METRICS],
        "datasets": [_dataset(name, expected) for name in dict.fromkeys(order)],
        "methods": [_method(name) for name in dict.fromkeys(system.method for system in systems)],
        "entries": [_entry(own) for own in entries],
        "numbers": numbers,
        "rows": [{"entry": own.name, **_row(row)} for own in entries for row in own.outcome.rows],
        "published": [_published(it) for number in (1, 2, 3) for it in published_table(number)],
    }


def _dataset(name: str, expected: Expected) -> dict[str, Any]:
    """From its record."""
    record, told = catalog.record(name), expected[name]
    return {
        "name": name,
        "title": told.title,
        "full": record.title,
        "domain": told.division,
        "modality": record.modality,
        "metrics": list(told.metrics),
        "subsets": list(told.subsets),
        "builds": [f"{it.name}: {_count(it.normal)}/{_count(it.anomalous)}" for it in record.builds],
        "licence": record.licence.name or "not known",
        "quirks": list(record.quirks),
        "unconfirmed": list(record.unconfirmed),
    }


def _count(number: int | None) -> str:
    return "?" if number is None else str(number)


def _method(name: str) -> dict[str, Any]:
    """What its class says; of a method that is not installed here, its name alone."""
    try:
        kind = methods.get(name)
    except ZsadError:
        return {
            "name": name,
            "title": name,
            "about": "not installed where this board was made",
            "learnt": None,
        }
    about = (kind.__doc__ or "").strip().split("\n\n")[0]
    return {"name": name, "title": kind.title, "about": " ".join(about.split()), "learnt": kind.learnt}


def _entry(own: Entry) -> dict[str, Any]:
    git, libraries = own.run.get("git"), own.run.get("libraries", {})
    commit = git.get("commit") if isinstance(git, dict) else None
    protocols = {row.protocol for row in own.outcome.rows if row.protocol not in (None, "none")}
    return {
        "name": own.name,
        "profile": own.outcome.profile,
        "paper": own.outcome.profile == PAPER_PROFILE,
        "release": str(libraries.get("zsad"))[:40],
        "revision": str(commit)[:12] if commit else "not known",
        "protocols": sorted(map(str, protocols)),
        "cells": len(own.outcome.rows),
    }


def _numbers(own: Entry) -> Iterable[dict[str, Any]]:
    """The mean of every system on every data set that it ran on, metric by metric."""
    for means in own.outcome.means.values():
        for dataset, record in own.outcome.expected.items():
            if means.ran_on(dataset):
                common = _common(own, means, dataset)
                for metric in record.metrics:
                    yield {**common, "metric": metric, **_value(means.over_subsets(dataset, metric))}


def _common(own: Entry, means: SystemMeans, dataset: str) -> dict[str, Any]:
    row = next(row for row in means.rows if row.dataset == dataset)
    return {
        "entry": own.name,
        "profile": own.outcome.profile,
        "domain": own.outcome.expected[dataset].division,
        "dataset": dataset,
        "method": means.system.method,
        "variant": means.system.variant,
        "title": own.outcome.title(means.system),
        **{column: getattr(row, column) for column in RULE_COLUMNS},
    }


def _value(mean: Mean) -> dict[str, Any]:
    low, high = mean.interval or (None, None)
    return {
        "value": _rounded(mean.value),
        "low": _rounded(low),
        "high": _rounded(high),
        "seeds": " ".join(map(str, mean.seeds)),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def _row(row: CellRow) -> dict[str, Any]:
    """Of one cell, for the page behind a number."""
    ends = {metric: row.spread(metric) for metric in METRICS}
    return {
        "dataset": row.dataset,
        "subset": row.subset,
        "method": row.method,
        "variant": row.variant,
        "seed": row.seed,
        "auxiliary": row.auxiliary,
        "images": [row.n_normal, row.n_anomalous],
        "values": {it: _rounded(getattr(row, it)) for it in METRICS if getattr(row, it) is not None},
        "ends": {it: [_rounded(s.low), _rounded(s.high)] for it, s in ends.items() if s is not None},
        "digests": {column: getattr(row, column) for column in _PROVENANCE},
    }


def _published(value: PublishedValue) -> dict[str, Any]:
    return {
        "dataset": value.dataset,
        "method": value.system.method,
        "variant": value.system.variant,
        "title": f"{PRINTED_NAMES[value.method]}, {catalog.record(value.dataset).paper_name}",
        "metric": value.metric,
        "percent": value.percent,
        "source": value.source,
        **{column: getattr(value, column) for column in RULE_COLUMNS},
    }


def _table(board: Mapping[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(
        [{name: number.get(name) for name in _SCHEMA.names} for number in board["numbers"]], schema=_SCHEMA
    )
