"""Labels without masks: HeadCT, BrainMRI, Br35H and the COVID-19 radiographs.

With what their archives carry besides: a second copy of everything, unlabelled images, annotations for
detectors, a third disease, spreadsheets. Suffixes change case and file names have spaces.
"""

import json
from pathlib import Path

import numpy as np

from pipeline.files import write_bytes, write_text
from pipeline.miniature.datasets.files import encoded, save
from pipeline.miniature.datasets.layouts.job import Counts, Job
from pipeline.miniature.datasets.layouts.spreadsheet import workbook
from pipeline.miniature.datasets.studio import Pixels


def write_headct(job: Job) -> Counts:
    """HeadCT: numbered images two folders down, flags in a CSV with spaces in its header, bleedings first."""
    studio, lines = job.only_studio(), ["id, hemorrhage"]
    for number in range(job.spec.anomalous + job.spec.normal):
        flag = number < job.spec.anomalous
        pixels = studio.anomalous(number).pixels if flag else studio.normal(number)
        save(job.root / "head_ct" / "head_ct" / f"{number:03d}.png", pixels)
        lines.append(f"{number},{int(flag)}")
    write_text(job.root / "labels.csv", "\n".join(lines) + "\n")
    return job.counts()


def write_brainmri(job: Job) -> Counts:
    """BrainMRI: `no` and `yes`, all of it again in `brain_tumor_dataset`, grey and RGB files in turn."""
    studio = job.only_studio()
    normal = ["1 no.jpeg", "no 99.jpg", "no.jpg", "N1.JPG", "No11.jpg", "N3.jpg", "11 no.jpg", "no 4.jpg"]
    normal += ["No15.jpg", "31 no.jpg", "N17.jpg", "no 923.jpg"]
    anomalous = ["Y1.jpg", "Y2.jpg", "Y3.jpg", "Y4.jpg", "Y6.jpg", "Y7.jpg", "Y23.JPG", "Y59.JPG"]
    anomalous += ["Y100.JPG", "Y107.jpg", "Y183.jpg", "Y252.png"]
    files: dict[str, bytes] = {}
    for folder, names, wanted in (("no", normal, job.spec.normal), ("yes", anomalous, job.spec.anomalous)):
        for number, name in zip(range(wanted), names, strict=True):
            pixels = studio.normal(number) if folder == "no" else studio.anomalous(number).pixels
            pixels = pixels[..., 0] if number % 3 == 0 else pixels
            files[f"{folder}/{name}"] = encoded(np.ascontiguousarray(pixels), Path(name).suffix)
    for home in (job.root, job.root / "brain_tumor_dataset"):
        for path, content in files.items():
            write_bytes(home / path, content)
    return job.counts()


def write_br35h(job: Job) -> Counts:
    """Br35H: `no`, `yes`, images without a label in `pred`, and a detector's copy of some of `yes`."""
    studio = job.only_studio()
    for number in range(job.spec.normal):
        save(job.root / "no" / f"no{number}.jpg", studio.normal(number))
    for number in range(job.spec.anomalous):
        save(job.root / "yes" / f"y{number}.jpg", studio.anomalous(number).pixels)
    for number in range(2):
        save(job.root / "pred" / f"pred{number}.jpg", studio.normal("pred", number))
    for number, part in enumerate(("TRAIN", "VAL", "TEST")):
        home, name = job.root / "Br35H-Mask-RCNN" / part, f"y{number}.jpg"
        content = (job.root / "yes" / name).read_bytes()
        write_bytes(home / name, content)
        outline = {"name": "polygon", "all_points_x": [40, 60, 60, 40], "all_points_y": [40, 40, 60, 60]}
        region = {"shape_attributes": outline, "region_attributes": {}}
        note = {f"{name}{len(content)}": {"filename": name, "size": len(content), "regions": [region]}}
        write_text(home / f"annotations_{part.lower()}.json", json.dumps(note) + "\n")
    return job.counts()


def write_covid19(job: Job) -> Counts:
    """The COVID-19 radiographs, first release: three classes (one is not evaluated) and spreadsheets."""
    studio, root = job.only_studio(), job.root / "COVID-19 Radiography Database"
    shots: dict[str, list[Pixels]] = {
        "COVID-19": [studio.anomalous(number).pixels for number in range(job.spec.anomalous)],
        "NORMAL": [studio.normal(number) for number in range(job.spec.normal)],
        "Viral Pneumonia": [studio.anomalous("viral").pixels],
    }
    for name, images in shots.items():
        for number, pixels in enumerate(images, start=1):
            save(root / name / f"{name} ({number}).png", pixels[..., 0])
        rows = [("FILE NAME", "FORMAT", "SIZE")]
        rows += [
            (f"{name} ({k + 1})", "PNG", "x".join(map(str, p.shape[1::-1]))) for k, p in enumerate(images)
        ]
        write_bytes(root / f"{name}.metadata.xlsx", workbook(rows))
    return job.counts()
