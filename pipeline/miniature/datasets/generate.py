"""Draws the miniature data sets into a folder, with a readme and the counts that a reader should find.

Each data set comes from its own seed, so one can be drawn without the others; a data set that is there is
replaced as a whole.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

import yaml

from pipeline.errors import DataError
from pipeline.files import write_text
from pipeline.miniature.datasets.layouts import WRITERS, Counts, Job
from pipeline.miniature.datasets.specification import specification

_TEXT = """\
# Miniature data sets

{count} small data sets, drawn by a program. Each has the folders, file names, file types and mask
conventions of the published data set whose name it bears, quirks included, and not one of its images:
objects, materials, organs, defects and masks come from noise, distance fields and a seed. They let the
whole benchmark run where the real data is not. A score on them says something about the code, nothing
about the real data set.

{table}

Made by

    python -m pipeline.miniature.datasets --out samples --seed {seed}

which writes the same bytes every time. `pipeline/miniature/datasets/specification.yaml` says what is drawn,
`pipeline/miniature/datasets/counts.yaml` how many test images a reader should find.

The pictures are in the public domain (CC0 1.0). The program that draws them has the licence of the project.
"""

SEED = 2024
"""The seed of the committed samples."""
COUNTS_PATH = Path(__file__).with_name("counts.yaml")
"""Data set to subset to [normal, anomalous], of the committed samples."""
_COUNTS_HEAD = """\
# Test images of the miniature data sets: subset -> [normal, anomalous].
# Written by `python -m pipeline.miniature.datasets`; do not edit.
"""


def readme(seed: int) -> str:
    """The text, with a table of the data sets."""
    known = specification()
    rows = ["| data set | subsets |", "| --- | --- |"]
    rows += [f"| {name} | {', '.join(spec.subsets)} |" for name, spec in known.items()]
    return _TEXT.format(count=len(known), table="\n".join(rows), seed=seed)


def write_dataset(name: str, out: Path, *, seed: int = SEED) -> Counts:
    """Draw one data set to `out/name`; returns subset to (normal, anomalous) of its test split.

    Raises:
        DataError: there is no data set of this name.
    """
    known = specification()
    if name not in known:
        raise DataError(f"{name}: no such miniature data set; take one of {', '.join(known)}")
    shutil.rmtree(out / name, ignore_errors=True)
    return WRITERS[name](Job(name, known[name], seed, out / name))


def write_all(out: Path, *, seed: int = SEED, names: Iterable[str] | None = None) -> dict[str, Counts]:
    """Draw all data sets (or those of `names`) and the readme to `out`; returns their counts."""
    chosen = tuple(names) if names is not None else tuple(specification())
    counts = {name: write_dataset(name, out, seed=seed) for name in chosen}
    write_text(out / "README.md", readme(seed))
    return counts


def write_counts(counts: dict[str, Counts], path: Path = COUNTS_PATH) -> None:
    """Write the counts as YAML, one subset a line."""
    plain = {name: {it: list(pair) for it, pair in subsets.items()} for name, subsets in counts.items()}
    write_text(path, _COUNTS_HEAD + yaml.safe_dump(plain, sort_keys=False, default_flow_style=None))


def expected_counts(path: Path = COUNTS_PATH) -> dict[str, Counts]:
    """Data set to subset to (normal, anomalous), as the committed samples have them."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {
        name: {subset: (normal, anomalous) for subset, (normal, anomalous) in subsets.items()}
        for name, subsets in content.items()
    }
