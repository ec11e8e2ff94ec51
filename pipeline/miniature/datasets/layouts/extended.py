"""The suite extended-2026.12 as its publishers lay it out; each writer's docstring says how."""

import json
from collections.abc import Iterator
from typing import Final, TypeAlias

import numpy as np

from pipeline.files import write_text
from pipeline.miniature.datasets.studio import NOTE, Counts, Defective, Job, Studio, save, save_mask

_Entry: TypeAlias = dict[str, str | None]  # of a list of Real-IAD

_VIEWS: Final = 5  # of one object of Real-IAD
_LISTS: Final = {
    "realiad_jsons": range(1, _VIEWS + 1),
    "realiad_jsons_sv": range(1, 2),
}  # which views each has
_CELLS: Final = "elpv_dataset/data"


def write_real_iad(job: Job) -> Counts:
    """Real-IAD: five views of an object in a folder, and lists that say what is trained on and what tested.

        realiad_1024/<class>/OK/S0001/<class>_0001_OK_C1_<time>.jpg
        realiad_1024/<class>/NG/<defect>/S0003/<class>_0003_NG_<defect>_C1_<time>{.jpg,_mask.png}
        realiad_jsons/{realiad_jsons,realiad_jsons_sv}/<class>.json

    The last view of a defective object does not show its defect: it is OK in the list, and has no mask.
    """
    return {subset: _objects(job, subset) for subset in job.spec.subsets}


def _objects(job: Job, subset: str) -> tuple[int, int]:
    """Write the objects of one class and its two lists."""
    trained = [_sound(job, subset, 1, view) for view in range(1, job.spec.train + 1)]
    tested = [_sound(job, subset, 2, view) for view in range(1, job.spec.normal + 1)]
    tested += [_defective(job, subset, view) for view in range(1, job.spec.anomalous + 1)]
    for name, views in _LISTS.items():
        wanted = [f"_C{view}_" for view in views]
        parts = {
            split: [entry for entry in entries if any(view in str(entry["image_path"]) for view in wanted)]
            for split, entries in (("train", trained), ("test", tested))
        }
        meta = {"normal_class": "OK", "prefix": f"{subset}/"}
        text = json.dumps({"meta": meta, **parts}, indent=1)
        write_text(job.root / "realiad_jsons" / name / f"{subset}.json", text + "\n")
    sound = sum(entry["anomaly_class"] == "OK" for entry in tested)
    return sound, len(tested) - sound


def _sound(job: Job, subset: str, number: int, view: int) -> _Entry:
    path = f"OK/S{number:04d}/{subset}_{number:04d}_OK_C{view}_20230927{view:06d}.jpg"
    save(job.root / "realiad_1024" / subset / path, job.studio(subset).normal(number, view))
    return _entry(subset, "OK", path, None)


def _defective(job: Job, subset: str, view: int) -> _Entry:
    """A view of the defective object; defects come in turn, so that all occur among the classes."""
    kinds, studio, home = (
        list(job.spec.subsets[subset].defects),
        job.studio(subset),
        job.root / "realiad_1024",
    )
    kind = kinds[list(job.spec.subsets).index(subset) % len(kinds)]
    stem = f"NG/{kind}/S0003/{subset}_0003_NG_{kind}_C{view}_20230928{view:06d}"
    if view == _VIEWS:
        save(home / subset / f"{stem}.jpg", studio.normal(3, view))
        return _entry(subset, "OK", f"{stem}.jpg", None)
    shot = studio.defective(kind, view)
    save(home / subset / f"{stem}.jpg", shot.pixels)
    save_mask(home / subset / f"{stem}_mask.png", shot.mask)
    return _entry(subset, kind, f"{stem}.jpg", f"{stem}_mask.png")


def _entry(subset: str, kind: str, image: str, mask: str | None) -> _Entry:
    return {"category": subset, "anomaly_class": kind, "image_path": image, "mask_path": mask}


def write_mvtec_ad_2(job: Job) -> Counts:
    """MVTec AD 2: truth inside the public test part, and private parts without any.

    <class>/{train,validation}/good/NNN_regular.png   <class>/test_public/{good,bad}/NNN_regular.png
    <class>/test_public/ground_truth/bad/NNN_regular_mask.png   <class>/test_private{,_mixed}/NNN_*.png
    """
    write_text(job.root / "license.txt", NOTE)
    for subset in job.spec.subsets:
        studio, home = job.studio(subset), job.root / subset
        for part in ("train", "validation"):
            for number in range(job.spec.train if part == "train" else 1):
                save(home / part / "good" / f"{number:03d}_regular.png", studio.normal(part, number))
        save(home / "test_private" / "000_regular.png", studio.normal("private"))
        save(home / "test_private_mixed" / "000_mixed.png", studio.anomalous("mixed").pixels)
        for number in range(job.spec.normal):
            save(home / "test_public" / "good" / f"{number:03d}_regular.png", studio.normal("test", number))
        for number, shot in _shots(studio, job.spec.anomalous):
            stem = f"{number:03d}_regular"
            save(home / "test_public" / "bad" / f"{stem}.png", shot.pixels)
            save_mask(home / "test_public" / "ground_truth" / "bad" / f"{stem}_mask.png", shot.mask)
    return job.counts()


def write_ksdd2(job: Job) -> Counts:
    """KolektorSDD2: narrow images of many sizes, each with a mask beside it, all zero when nothing is wrong.

    {train,test}/NNNNN.png   {train,test}/NNNNN_GT.png   split_weakly_0.pyb
    """
    studio = job.only_studio()
    for number in range(20000, 20000 + job.spec.normal + job.spec.anomalous):
        wrong = number % 2 == 1
        _with_truth(job, f"test/{number}", studio.anomalous(number) if wrong else _sound_shot(studio, number))
    for number in range(10000, 10000 + job.spec.train):
        _with_truth(job, f"train/{number}", _sound_shot(studio, number))
    write_text(job.root / "split_weakly_0.pyb", NOTE)
    return job.counts()


def _with_truth(job: Job, stem: str, shot: Defective) -> None:
    save(job.root / f"{stem}.png", shot.pixels)
    save_mask(job.root / f"{stem}_GT.png", shot.mask)


def write_elpv(job: Job) -> Counts:
    """ELPV as its Python package has it: cells and a table without a header, columns apart by spaces.

        elpv_dataset/data/images/cellNNNN.png   elpv_dataset/data/labels.csv

    The probability of a defect is 0, a third, two thirds or 1; what is above 0 counts as anomalous.
    """
    studio, lines, kinds = job.only_studio(), [], list(next(iter(job.spec.subsets.values())).defects)
    for number in range(job.spec.normal + job.spec.anomalous):
        wrong = number % 2 == 1
        pixels = studio.defective(kinds[number % 4 // 2], number).pixels if wrong else studio.normal(number)
        path = f"images/cell{number + 1:04d}.png"
        save(job.root / _CELLS / path, pixels)
        degree = (1 / 3, 1.0, 2 / 3, 1.0)[number // 2 % 4] if wrong else 0.0
        lines.append(f"{path}  {degree!s:<20}{'mono' if number % 3 else 'poly'}")
    write_text(job.root / _CELLS / "labels.csv", "\n".join(lines) + "\n")
    write_text(job.root / "elpv_dataset" / "utils.py", '"""Reads the table."""\n')
    return job.counts()


def write_bmad_with_masks(job: Job) -> Counts:
    """Brain, Liver and Retina_RESC of BMAD: images and masks of one name, side by side below the label.

    <set>/train/good/N.png   <set>/{valid,test}/{good,Ungood}/{img,label}/N.png

    Normal images have all-zero masks.
    """
    studio, home = job.only_studio(), job.root / _FOLDERS[job.name]
    for number in range(job.spec.train):
        save(home / "train" / "good" / f"{number}.png", studio.normal("train", number))
    for part, normal, anomalous in (("valid", 1, 1), ("test", job.spec.normal, job.spec.anomalous)):
        shots = {
            "good": [_sound_shot(studio, part, number) for number in range(normal)],
            "Ungood": [studio.anomalous(part, number) for number in range(anomalous)],
        }
        for label, pictures in shots.items():
            for number, shot in enumerate(pictures):
                save(home / part / label / "img" / f"{number}.png", shot.pixels)
                save_mask(home / part / label / "label" / f"{number}.png", shot.mask)
    return job.counts()


def write_bmad_without_masks(job: Job) -> Counts:
    """Chest, Histopathology and Retina_OCT2017 of BMAD: folders are the labels.

    <set>/train/good/N.png   <set>/{valid,test}/{good,Ungood}/N.png
    """
    studio, home = job.only_studio(), job.root / _FOLDERS[job.name]
    for part, normal, anomalous in (
        ("train", job.spec.train, 0),
        ("valid", 1, 1),
        ("test", job.spec.normal, job.spec.anomalous),
    ):
        for number in range(normal):
            save(home / part / "good" / f"{number}.png", studio.normal(part, number))
        for number in range(anomalous):
            save(home / part / "Ungood" / f"{number}.png", studio.anomalous(part, number).pixels)
    return job.counts()


_FOLDERS: Final = {
    "bmad_brain": "Brain",
    "bmad_liver": "Liver",
    "bmad_resc": "Retina_RESC",
    "bmad_oct2017": "Retina_OCT2017",
    "bmad_chest": "Chest",
    "bmad_histopathology": "Histopathology",
}


def _sound_shot(studio: Studio, *key: object) -> Defective:
    """A picture without defects, and its empty mask."""
    pixels = studio.normal(*key)
    return Defective(pixels, np.zeros(pixels.shape[:2], np.bool_))


def _shots(studio: Studio, count: int) -> Iterator[tuple[int, Defective]]:
    return ((number, studio.anomalous("test", number)) for number in range(count))


def write_cvc_300(job: Job) -> Counts:
    """CVC-300: images and masks of one name, numbers without padding."""
    for number, shot in _shots(job.only_studio(), job.spec.anomalous):
        save(job.root / "CVC-300" / "images" / f"{140 + 3 * number}.png", shot.pixels)
        save_mask(job.root / "CVC-300" / "masks" / f"{140 + 3 * number}.png", shot.mask)
    return job.counts()
