"""What a run shows on its page: the paper's tables, the figures, where the report lies, how far evaluate is.

All of it is a copy for the eye: the files on disk are what is true, and a server that does not answer costs
the copy only. A table that is too wide for the page is split by columns into several below each other; the
left-aligned columns say what a row is and are repeated in each part, and no value is changed.
"""

import base64
import re
import time
from collections.abc import Iterable, Sequence
from itertools import groupby
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)

from pipeline.flows.server import best_effort
from pipeline.params import Params

_GAP = 3  # characters that the space between two columns takes
_STEP_SECONDS = 5.0  # an update costs 40 ms of the thread that works, and nobody watches more closely
_PAGE_CHARACTERS = 118  # what an artifact's page shows beside its panel, in a window of 1400 pixels


def narrowed(text: str, width: int) -> str:
    """`text` with every table whose rows are longer than `width` printed characters split by columns."""
    parts: list[str] = []
    for is_table, group in groupby(text.split("\n"), lambda line: line.startswith("|")):
        lines = list(group)
        parts += _split([_cells(line) for line in lines], width) if is_table else lines
    return "\n".join(parts)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip()[1:-1].split("|")]


def _split(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    aligned = rows[1]
    labels = [column for column, mark in enumerate(aligned) if not mark.endswith(":")]
    values = [column for column in range(len(aligned)) if column not in labels]
    room = [max(len(row[column].replace("*", "")) for row in rows) + _GAP for column in range(len(aligned))]
    parts: list[list[int]] = [[]]
    for column in values:
        if parts[-1] and sum(room[each] for each in (*labels, *parts[-1], column)) > width:
            parts.append([])
        parts[-1].append(column)
    lines: list[str] = []
    for part in parts:
        lines += [*([""] if lines else []), *_lines(rows, sorted((*labels, *part)))]
    return lines


def _lines(rows: Iterable[Sequence[str]], columns: Sequence[int]) -> list[str]:
    return [f"| {' | '.join(row[column] for column in columns)} |" for row in rows]


def publish(params: Params) -> None:
    """Show the tables, figures and report of the profile in `params` that are on disk."""
    tables = params.results / "tables"

    def show(name: str, text: str, title: str) -> None:
        create_markdown_artifact(text, key=artifact_key(params.profile, name), description=title)

    with best_effort():
        for path in sorted(tables.glob("*.md")):
            text = path.read_text(encoding="utf-8")
            title = text.partition("\n")[0].lstrip("# ")
            show(path.stem, narrowed(text, _PAGE_CHARACTERS), title)
        for path in sorted(tables.glob("*.svg")):
            content = base64.b64encode(path.read_bytes()).decode()
            # An image artifact would print the whole address below the picture.
            show(path.stem, f"![{path.stem}](data:image/svg+xml;base64,{content})", path.stem)
        report = params.results / "report" / "report.html"
        if report.is_file():
            create_link_artifact(
                report.resolve().as_uri(),
                link_text=str(report),
                key=artifact_key(params.profile, "report"),
                description=f"The report of the {params.profile} profile, a file to open in a browser",
            )


def artifact_key(profile: str, name: str) -> str:
    """Prefect's keys are lower-case letters, digits and dashes."""
    return re.sub("[^a-z0-9]+", "-", f"{profile}-{name}".lower())


class ProgressArtifact:
    """How much of `total` is done, on the page of a run, told every five seconds."""

    def __init__(self, key: str, total: int, description: str) -> None:
        self._total = total
        self._told = time.monotonic()
        self._id: UUID | None = None
        with best_effort():
            made = create_progress_artifact(0.0, key=key, description=description)
            self._id = made if isinstance(made, UUID) else None

    def reach(self, done: int) -> None:
        """So many are done."""
        due = done >= self._total or time.monotonic() - self._told >= _STEP_SECONDS
        if self._id is None or not due:
            return
        self._told = time.monotonic()
        with best_effort():
            update_progress_artifact(self._id, 100 * done / max(self._total, 1))
