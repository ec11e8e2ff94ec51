"""Test folders by kind of defect, as MVTec AD has them: MVTec AD, MPDD, BTAD and DTD-Synthetic.

    <subset>/train/<good>/NNN   <subset>/test/{<good>,<defect>}/NNN   <subset>/ground_truth/<defect>/<mask>

They differ in the name of the good folder, in suffixes, digits and mask names, and in a wrapping folder.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pipeline.files import write_text
from pipeline.miniature.datasets.files import save, save_mask
from pipeline.miniature.datasets.layouts.job import NOTE, Counts, Job


@dataclass(frozen=True)
class _Names:
    good: str = "good"
    digits: int = 3
    image: str = ".png"
    mask: str = "_mask.png"


def write_mvtec(job: Job) -> Counts:
    """MVTec AD, with the text files beside the images."""
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
