"""The entries of a list of images, CSV with any separator, JSON or JSON lines, as one row of cells each.

A CSV has a header, unless its first line names an image: its columns are then called 1, 2 and so on. In a
JSON file every list of objects counts, and every object whose keys are images; the keys on the way to it
stand for the split when they are called so, and for the subset.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Final, TypeAlias

from pipeline.catalog.tree import Tree, is_image
from pipeline.errors import DataError

Entry: TypeAlias = tuple[str, dict[str, str]]  # where it stands, and its cells by column

SUFFIXES: Final = frozenset({".csv", ".tsv", ".json", ".jsonl", ".ndjson"})
SPLITS: Final = frozenset({"train", "training", "test", "testing", "val", "valid", "validation"})
_SEPARATORS: Final = (",", ";", "\t", "|")
_DEEPEST: Final = 4  # levels of a JSON file


def is_list(path: str) -> bool:
    """Whether a file may be a list, by its suffix; a text only at the top, as one of a kind."""
    suffix = PurePosixPath(path).suffix.lower()
    return suffix in SUFFIXES or (suffix == ".txt" and "/" not in path)


def read_entries(tree: Tree, path: str) -> list[Entry]:
    """All entries of a list, without the spaces around cells; empty lines are left out.

    Raises:
        DataError: the tree has no such file, it is not of its kind, or a line has too few or too many cells.
    """
    suffix = PurePosixPath(path).suffix.lower()
    if suffix == ".json":
        found = _nested(_parsed(_text(tree, path), path), ())
        return [(f"entry {number}", cells) for number, cells in enumerate(found, 1)]
    if suffix in (".jsonl", ".ndjson"):
        lines = enumerate(_text(tree, path).splitlines(), 1)
        return [
            (f"line {number}", cells)
            for number, line in lines
            if line.strip()
            for cells in _nested([_parsed(line, f"{path}, line {number}")], ())
        ]
    return _rows(tree, path)


def csv_lines(tree: Tree, path: str, separator: str = ",") -> list[tuple[int, list[str]]]:
    """(line number, cells without the spaces around them) of a CSV file; empty lines are left out.

    Raises:
        DataError: the tree has no such file, or it is no CSV.
    """
    reader = csv.reader(io.StringIO(_text(tree, path), newline=""), delimiter=separator)
    try:
        return [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: no CSV ({error}); look for a quote that is never closed"
        ) from None


def _rows(tree: Tree, path: str) -> list[Entry]:
    text = _text(tree, path).splitlines()
    stated = re.fullmatch(r"sep=(.)", text[0]) if text else None  # as Excel writes and reads it
    separator = stated[1] if stated else max(_SEPARATORS, key=(text or [""])[0].count)
    if stated:
        lines = csv_lines(tree, path, separator)[1:]
    elif not text or separator in text[0]:
        lines = csv_lines(tree, path, separator)
    else:
        lines = [(number, line.split()) for number, line in enumerate(text, 1)]
    lines = [(number, cells) for number, cells in lines if any(cells)]
    header = lines[0][1] if lines else []
    if any(map(is_image, header)):
        header = [str(column) for column, _ in enumerate(header, 1)]
    else:
        lines = lines[1:]
    named = [name for name in header if name]
    if len(set(named)) != len(named):
        raise DataError(f"{path}: its first line must name every column once")
    for number, cells in lines:
        if len(cells) != len(header):
            raise DataError(f"{path}, line {number}: {len(cells)} cells, where the first has {len(header)}")
    return [(f"line {number}", dict(zip(header, cells, strict=True))) for number, cells in lines]


def _text(tree: Tree, path: str) -> str:
    content = tree.read(path)
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")  # as spreadsheets save "Unicode text"
    return content.decode("utf-16" if wide else "utf-8-sig", errors="replace")


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: no JSON ({error})") from None


def _nested(value: Any, keys: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """The entries in a JSON value; `keys` lead to it."""
    split = [key for key in keys if key.casefold() in SPLITS]
    subset = [key for key in keys if key.casefold() not in SPLITS]
    place = {name: found[-1] for name, found in (("split", split), ("subset", subset)) if found}
    if isinstance(value, list):
        for entry in value:
            if isinstance(entry, dict):
                yield place | _cells(entry)
    elif isinstance(value, dict) and len(keys) < _DEEPEST:
        for key, inner in value.items():
            if is_image(key):
                cells = _cells(inner) if isinstance(inner, dict) else {"label": _cell(inner)}
                yield place | {"image": key} | cells
            else:
                yield from _nested(inner, (*keys, key))


def _cells(entry: dict[str, Any]) -> dict[str, str]:
    return {name: _cell(cell) for name, cell in entry.items() if not isinstance(cell, dict | list)}


def _cell(value: Any) -> str:
    return "" if value is None else str(value).strip()
