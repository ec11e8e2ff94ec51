"""A folder of images and one of masks: ISIC, the polyp sets, Endo, TN3K and the auxiliary set of Table 3.

Every image shows a lesion; only the auxiliary set has normal images too. Numbers without padding, UUIDs and
shorthand ids pair image and mask by name; Endo and TN3K have JPEG masks, with grey values around the edge.
"""

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path

from pipeline.files import write_text
from pipeline.miniature.datasets.files import save, save_mask
from pipeline.miniature.datasets.layouts.job import Counts, Job
from pipeline.miniature.datasets.studio import generator

_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"


def write_isic(job: Job) -> Counts:
    """ISIC 2016, task 1: the mask's name ends in `_Segmentation`."""
    images, masks = "ISBI2016_ISIC_Part1_Test_Data", "ISBI2016_ISIC_Part1_Test_GroundTruth"
    stems = [f"ISIC_{7 * k + 3:07d}" for k in range(job.spec.anomalous)]
    pairs = ((f"{images}/{stem}.jpg", f"{masks}/{stem}_Segmentation.png") for stem in stems)
    return _write(job, job.root, pairs)


def write_cvc_colondb(job: Job) -> Counts:
    """CVC-ColonDB, numbered from 1 without padding."""
    return _write(job, job.root / "CVC-ColonDB", _twins(_numbers(job), ".png"))


def write_cvc_clinicdb(job: Job) -> Counts:
    """CVC-ClinicDB, numbered from 1 without padding."""
    return _write(job, job.root / "CVC-ClinicDB", _twins(_numbers(job), ".png"))


def write_kvasir(job: Job) -> Counts:
    """Kvasir-SEG in its PNG copy, with names of 25 letters and digits."""
    rng = generator(job.seed, job.name, "names")
    stems = [
        "cju" + "".join(_LETTERS[k] for k in rng.integers(36, size=22)) for _ in range(job.spec.anomalous)
    ]
    return _write(job, job.root / "Kvasir", _twins(stems, ".png"))


def write_endo(job: Job) -> Counts:
    """EndoTect: UUID names, JPEG images and JPEG masks."""
    stems = _uuids(job, job.spec.anomalous)
    return _write(job, job.root / "EndoTect_2020_Segmentation_Test_Dataset", _twins(stems, ".jpg"))


def write_colon_auxiliary(job: Job) -> Counts:
    """The auxiliary set of Table 3: CVC-ColonDB, and EndoTect's classes, one of which is not normal."""
    write_cvc_colondb(replace(job, name="cvc_colondb"))
    studio, root = job.only_studio(), job.root / "EndoTect_2020_Test_Dataset"
    classes = cycle(("normal-cecum", "normal-pylorus", "normal-z-line"))
    *stems, other = _uuids(job, job.spec.normal + 1)
    for number, (stem, folder) in enumerate(zip(stems, classes, strict=False)):
        save(root / folder / f"{stem}.jpg", studio.normal(number))
    save(root / "polyp" / f"{other}.jpg", studio.anomalous("other class").pixels)
    return job.counts()


def write_tn3k(job: Job) -> Counts:
    """TN3K: test part, training part, folds and malignancy labels."""
    root = job.root / "Thyroid Dataset" / "tn3k"
    for part, images in (("trainval", job.spec.train), ("test", job.spec.anomalous)):
        names = [f"{k:04d}.jpg" for k in range(images)]
        _write(job, root, ((f"{part}-image/{name}", f"{part}-mask/{name}") for name in names), part)
        labels = "".join(f"{name},{k % 2}\n" for k, name in enumerate(names))
        write_text(root / f"label4{part}.csv", labels)
    for fold in range(5):
        held_out = fold % job.spec.train
        split = {"train": [k for k in range(job.spec.train) if k != held_out], "val": [held_out]}
        write_text(root / f"tn3k-trainval-fold{fold}.json", json.dumps(split) + "\n")
    return job.counts()


def _numbers(job: Job) -> list[str]:
    return [str(k + 1) for k in range(job.spec.anomalous)]


def _uuids(job: Job, number: int) -> list[str]:
    rng = generator(job.seed, job.name, "names")
    return [str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(number)]


def _twins(stems: list[str], suffix: str) -> Iterator[tuple[str, str]]:
    return ((f"images/{stem}{suffix}", f"masks/{stem}{suffix}") for stem in stems)


def _write(job: Job, root: Path, pairs: Iterator[tuple[str, str]], part: str = "test") -> Counts:
    """Write images and masks to the paths of `pairs`."""
    studio = job.only_studio()
    for number, (image, mask) in enumerate(pairs):
        shot = studio.anomalous(part, number)
        save(root / image, shot.pixels)
        save_mask(root / mask, shot.mask)
    return job.counts()
