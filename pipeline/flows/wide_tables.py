"""Markdown tables that are too wide for a page, as several narrower ones below each other.

The left-aligned columns say what a row is and are repeated in each part; no value is changed.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

_GAP = 3  # characters that the space between two columns takes


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
