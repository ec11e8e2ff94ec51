"""VisA: images by label, masks of class ids, and CSV files that say what is trained and tested.

    <subset>/Data/Images/{Normal/NNNN.JPG,Anomaly/NNN.JPG}   <subset>/Data/Masks/Anomaly/NNN.png
    <subset>/image_anno.csv   split_csv/{1cls,2cls_fewshot,2cls_highshot}.csv

A mask holds small numbers, one a kind of defect, so it looks black in a viewer.
"""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipeline.files import write_text
from pipeline.miniature.datasets.files import save
from pipeline.miniature.datasets.layouts.job import NOTE, Counts, Job
from pipeline.miniature.datasets.studio import Defective, Pixels

_HEADER = ("object", "split", "label", "image", "mask")
_Row = tuple[str, str, str, str, str]


def write(job: Job) -> Counts:
    """Write all subsets, then the split files over all of them."""
    rows = [row for subset in job.spec.subsets for row in _subset(job, subset)]
    _table(job.root / "split_csv" / "1cls.csv", _HEADER, rows)
    for name, shots in (("2cls_fewshot", 1), ("2cls_highshot", 3)):
        _table(job.root / "split_csv" / f"{name}.csv", _HEADER, _two_class(rows, shots))
    write_text(job.root / "LICENSE-DATASET", NOTE)
    return {subset: _tested(rows, subset) for subset in job.spec.subsets}


def _subset(job: Job, subset: str) -> list[_Row]:
    """Write one subset; its rows of the one-class split."""
    studio, home = job.studio(subset), f"{subset}/Data"
    labels = list(job.spec.subsets[subset].defects)
    rows: list[_Row] = []
    notes: list[tuple[str, str, str]] = []
    for number in range(job.spec.train + job.spec.normal):
        path = f"{home}/Images/Normal/{number:04d}.JPG"
        save(job.root / path, studio.normal(number))
        rows.append((subset, "train" if number < job.spec.train else "test", "normal", path, ""))
        notes.append((path, "normal", ""))
    for number, label in enumerate(job.spec.defect_folders(subset)):
        path, mask = f"{home}/Images/Anomaly/{number:03d}.JPG", f"{home}/Masks/Anomaly/{number:03d}.png"
        shot = studio.defective(label, number)
        save(job.root / path, shot.pixels)
        save(job.root / mask, _class_ids(shot, labels.index(label) + 1))
        rows.append((subset, "test", "anomaly", path, mask))
        notes.append((path, label, mask))
    _table(job.root / subset / "image_anno.csv", ("image", "label", "mask"), notes)
    return rows


def _class_ids(shot: Defective, number: int) -> Pixels:
    return np.where(shot.mask, number, 0).astype(np.uint8)


def _two_class(rows: list[_Row], shots: int) -> list[_Row]:
    """The split of the two-class tasks: `shots` images of each label are trained, the others tested."""
    seen: dict[tuple[str, str], int] = {}
    split = []
    for subset, _, label, image, mask in rows:
        seen[subset, label] = seen.get((subset, label), 0) + 1
        split.append((subset, "train" if seen[subset, label] <= shots else "test", label, image, mask))
    return split


def _tested(rows: list[_Row], subset: str) -> tuple[int, int]:
    labels = [row[2] for row in rows if row[:2] == (subset, "test")]
    return labels.count("normal"), labels.count("anomaly")


def _table(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([header, *rows])
    write_text(path, buffer.getvalue())
