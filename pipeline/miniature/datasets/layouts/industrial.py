"""The industrial data sets as their publishers lay them out; each writer's docstring says how."""

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from pipeline.catalog.layouts.surfaces import NORMAL_SHARE, PIECES
from pipeline.files import write_bytes, write_text
from pipeline.miniature.datasets.studio import (
    NOTE,
    Counts,
    Defective,
    Job,
    Pixels,
    Studio,
    encoded,
    save,
    save_mask,
)
from pipeline.miniature.drawing.plane import Mask

_PARTS = 3
_ROOT = "DAGM_KaggleUpload"
_MARGIN = 1.25
_HEADER = ("object", "split", "label", "image", "mask")
_Row = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class _Names:
    good: str = "good"
    digits: int = 3
    image: str = ".png"
    mask: str = "_mask.png"


def write_mvtec(job: Job) -> Counts:
    """MVTec AD, with the text files beside the images.

        <subset>/train/<good>/NNN   <subset>/test/{<good>,<defect>}/NNN
        <subset>/ground_truth/<defect>/<mask>

    MPDD, BTAD and DTD-Synthetic follow; they differ in the name of the good folder, in suffixes, digits and
    mask names, and in a wrapping folder.
    """
    for folder in (job.root, *(job.root / subset for subset in job.spec.subsets)):
        write_text(folder / "license.txt", NOTE)
        write_text(folder / "readme.txt", NOTE)
    return {subset: _write(job, subset, job.root, _Names()) for subset in job.spec.subsets}


def write_mpdd(job: Job) -> Counts:
    """MPDD, inside the folder that its mirror wraps around it."""
    return {subset: _write(job, subset, job.root / "MPDD", _Names()) for subset in job.spec.subsets}


def write_btad(job: Job) -> Counts:
    """BTAD: `ok` and `ko`, a mask called like its image, suffixes that change from subset to subset."""
    suffixes = {"01": (".bmp", ".png"), "02": (".png", ".png"), "03": (".bmp", ".bmp")}
    root = job.root / "BTech_Dataset_transformed"
    return {
        subset: _write(job, subset, root, _Names("ok", 4, *suffixes[subset])) for subset in job.spec.subsets
    }


def write_dtd_synthetic(job: Job) -> Counts:
    """DTD-Synthetic: all kinds of defect in one folder `bad`."""
    root = job.root / "DTD-Synthetic"
    return {subset: _write(job, subset, root, _Names()) for subset in job.spec.subsets}


def _write(job: Job, subset: str, root: Path, names: _Names) -> tuple[int, int]:
    studio, home = job.studio(subset), root / subset
    for number in range(job.spec.train):
        name = f"{number:0{names.digits}d}{names.image}"
        save(home / "train" / names.good / name, studio.normal("train", number))
    for number in range(job.spec.normal):
        name = f"{number:0{names.digits}d}{names.image}"
        save(home / "test" / names.good / name, studio.normal("test", number))
    folders = Counter(job.spec.defect_folders(subset))
    for folder, images in folders.items():
        for number in range(images):
            shot, stem = studio.defective(folder, number), f"{number:0{names.digits}d}"
            save(home / "test" / folder / f"{stem}{names.image}", shot.pixels)
            save_mask(home / "ground_truth" / folder / f"{stem}{names.mask}", shot.mask)
    return job.spec.normal, folders.total()


def write_kolektor(job: Job) -> Counts:
    """KolektorSDD: tall grey photographs of commutators, a mask beside each of them, all zero on most.

        kosNN/PartK.jpg   kosNN/PartK_label.bmp

    What is tested are pieces of these images, a share of the normal ones: the rule belongs to the reader, and
    the counts here follow its constants. Defects lie on every third image or so, and the last item lacks a
    part.
    """
    (subset,) = job.spec.subsets
    studio = job.studio(subset)
    images = job.spec.normal + job.spec.anomalous
    defective = {round((k + 0.5) * images / job.spec.anomalous) for k in range(job.spec.anomalous)}
    normal = anomalous = 0
    for number in range(images):
        home = job.root / f"kos{number // _PARTS + 1:02d}"
        stem = f"Part{number % _PARTS}"
        if number in defective:
            shot = studio.anomalous(number)
            pixels, mask = shot.pixels, shot.mask
        else:
            pixels = studio.normal(number)
            mask = np.zeros(pixels.shape, dtype=np.bool_)
        save(home / f"{stem}.jpg", pixels)
        save_mask(home / f"{stem}_label.bmp", mask)
        marked = _marked_pieces(mask)
        normal, anomalous = normal + PIECES - marked, anomalous + marked
    return {subset: (-(-normal // NORMAL_SHARE), anomalous)}


def _marked_pieces(mask: Mask) -> int:
    """How many of the pieces hold a part of the defect."""
    cuts = [mask.shape[0] * piece // PIECES for piece in range(PIECES + 1)]
    return sum(bool(mask[top:bottom].any()) for top, bottom in pairwise(cuts))


def write_dagm(job: Job) -> Counts:
    """DAGM 2007 as the Kaggle archive has it: training and test parts, labels in a sub-folder, all twice.

        DAGM_KaggleUpload/ClassN/{Train,Test}/NNNN.PNG   .../Label/NNNN_label.PNG   .../Label/Labels.txt

    Only defective images have a label, a coarse ellipse around the defect. Both parts hold defects. The inner
    folder of the same name is the second copy.
    """
    for subset in job.spec.subsets:
        studio = job.studio(subset)
        _part(job, studio, "Train", job.spec.train, 1)
        _part(job, studio, "Test", job.spec.normal, job.spec.anomalous)
    return job.counts()


def _part(job: Job, studio: Studio, part: str, normal: int, anomalous: int) -> None:
    """Write one part; its defective images lie in between the others, as in the archive."""
    images = normal + anomalous
    defective = {k * images // anomalous for k in range(anomalous)}
    first = 1 if part == "Test" else images + 1
    files: dict[str, bytes] = {}
    lines = ["1"]
    for number in range(images):
        stem = f"{first + number:04d}"
        if number in defective:
            shot = studio.anomalous(part, number)
            pixels, label = shot.pixels, f"{stem}_label.PNG"
            files[f"Label/{label}"] = encoded(ellipse_around(shot.mask).astype(np.uint8) * 255, ".png")
        else:
            pixels, label = studio.normal(part, number), "0"
        files[f"{stem}.PNG"] = encoded(pixels, ".png")
        lines.append(f"{stem}\t{int(number in defective)}\t{stem}.PNG\t0\t{label}")
    files["Label/Labels.txt"] = ("\n".join(lines) + "\n").encode()
    for home in (job.root / _ROOT, job.root / _ROOT / _ROOT):
        for name, content in files.items():
            write_bytes(home / studio.subset / part / name, content)


def ellipse_around(mask: Mask) -> Mask:
    """A filled ellipse along the defect's axes that holds all of it, as the annotators drew them."""
    rows, columns = np.nonzero(mask)
    points = np.stack([columns, rows], axis=1).astype(np.float64)
    middle = points.mean(axis=0)
    away = points - middle
    angle = 0.5 * math.atan2(2 * (away[:, 0] * away[:, 1]).sum(), (away[:, 0] ** 2 - away[:, 1] ** 2).sum())
    axes = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    half = _MARGIN * np.maximum(np.abs(away @ axes.T).max(axis=0), 2.0)
    half *= np.sqrt((((away @ axes.T) / half) ** 2).sum(axis=1).max())
    y, x = np.indices(mask.shape)
    u, v = np.tensordot(axes, np.stack([x - middle[0], y - middle[1]]), axes=1)
    # The farthest pixel lies on the ellipse: without the slack, rounding would decide about it.
    return np.asarray((u / half[0]) ** 2 + (v / half[1]) ** 2 <= 1.0 + 1e-9, dtype=np.bool_)


def write_visa(job: Job) -> Counts:
    """VisA: images by label, masks of class ids, and CSV files that say what is trained and tested.

        <subset>/Data/Images/{Normal/NNNN.JPG,Anomaly/NNN.JPG}   <subset>/Data/Masks/Anomaly/NNN.png
        <subset>/image_anno.csv   split_csv/{1cls,2cls_fewshot,2cls_highshot}.csv

    A mask holds small numbers, one per kind of defect, so it looks black in a viewer.
    """
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
        # One before those that are tested, the others behind: `normal` alone says which are tested.
        rows.append((subset, "test" if 1 <= number <= job.spec.normal else "train", "normal", path, ""))
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
