"""The medical data sets as their publishers lay them out: labels without masks, and lesions with masks.

With what their archives carry besides: a second copy of everything, unlabelled images, annotations for
detectors, a third disease, spreadsheets. Suffixes change case and file names have spaces; numbers without
padding, UUIDs and shorthand ids pair image and mask by name; Endo and TN3K have JPEG masks, with grey values
around the edge.
"""

import io
import json
import uuid
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from pipeline.files import write_bytes, write_text
from pipeline.miniature.datasets.studio import Counts, Job, Pixels, encoded, generator, save, save_mask

_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"

_PARTS = {
    "[Content_Types].xml": (
        f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/sheet.xml" ContentType="{_TYPE}.worksheet+xml"/></Types>'
    ),
    "_rels/.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="workbook.xml"/></Relationships>'
    ),
    "workbook.xml": (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
        '<sheets><sheet name="Sheet1" sheetId="1" r:id="r1"/></sheets></workbook>'
    ),
    "_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{_OFFICE}/worksheet" Target="sheet.xml"/></Relationships>'
    ),
}

_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"


def workbook(rows: Iterable[tuple[str, ...]]) -> bytes:
    """The content of an .xlsx file with these rows."""
    lines = "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{escape(cell)}</t></is></c>' for cell in row) + "</row>"
        for row in rows
    )
    sheet = f'<worksheet xmlns="{_MAIN}"><sheetData>{lines}</sheetData></worksheet>'
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {**_PARTS, "sheet.xml": sheet}.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), _HEAD + content)
    return buffer.getvalue()


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
    normal += ["No15.jpg", "31 no.jpg", "N17.jpg", "no 923.jpg", "no 8.jpg", "No21.jpg", "38 no.jpg"]
    anomalous = ["Y1.jpg", "Y2.jpg", "Y3.jpg", "Y4.jpg", "Y6.jpg", "Y7.jpg", "Y23.JPG", "Y59.JPG"]
    anomalous += ["Y100.JPG", "Y107.jpg", "Y183.jpg", "Y252.png", "Y24.jpg", "Y42.JPG", "Y92.png"]
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
