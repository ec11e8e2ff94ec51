"""The archives of the suite extended-2026.12 as they are published.

What nobody has counted is drawn as `DRAWN` says.
"""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pipeline.catalog import record

from .published import Files, mask, picture

SEEN: Final = ("PS", "HS", "QS")  # kinds of defect in Real-IAD
DRAWN: Final = {
    "mvtec_ad_2": (7, 5),
    "bmad_oct2017": (6, 4),
    "bmad_chest": (5, 3),
    "bmad_histopathology": (4, 2),
    "real_iad": (4, 3),
}
"""(normal, anomalous) test images of each subset."""

BMAD: Final = {
    "bmad_brain": "Brain",
    "bmad_liver": "Liver",
    "bmad_resc": "Retina_RESC",
    "bmad_oct2017": "Retina_OCT2017",
    "bmad_chest": "Chest",
    "bmad_histopathology": "Histopathology",
}


def mvtec_ad_2() -> Files:
    normal, anomalous = DRAWN["mvtec_ad_2"]
    for subset in record("mvtec_ad_2").subset_names:
        home = f"MVTec_AD_2/{subset}"
        yield f"{home}/train/good/000_regular.png", picture("png")
        yield f"{home}/validation/good/000_regular.png", picture("png")
        yield f"{home}/test_private/000_regular.png", picture("png")
        yield f"{home}/test_private_mixed/000_mixed.png", picture("png")
        for number in range(normal):
            yield f"{home}/test_public/good/{number:03d}_regular.png", picture("png")
        for number in range(anomalous):
            yield f"{home}/test_public/bad/{number:03d}_regular.png", picture("png")
            yield f"{home}/test_public/ground_truth/bad/{number:03d}_regular_mask.png", mask("png")


def ksdd2() -> Files:
    """The mask decides: it is all zero where nothing is wrong."""
    for part, first, normal, anomalous in (("train", 10000, 5, 2), ("test", 20000, 894, 110)):
        for number in range(first, first + normal + anomalous):
            yield f"{part}/{number}.png", picture("png")
            yield f"{part}/{number}_GT.png", mask("png", rows=() if number < first + normal else (1, 2))
    yield "split_weakly_0.pyb", b"split"


def elpv() -> Files:
    """A package of Python; probabilities as its table has them."""
    home, lines, number = "elpv_dataset/data", [], 0
    for degree, cells in (
        ("0.0", 1508),
        ("0.3333333333333333", 295),
        ("0.6666666666666666", 106),
        ("1.0", 715),
    ):
        for _ in range(cells):
            number += 1
            lines.append(f"images/cell{number:04d}.png  {degree:<20}{'mono' if number % 2 else 'poly'}")
            yield f"{home}/images/cell{number:04d}.png", picture("png", "L")
    yield f"{home}/labels.csv", "\n".join(lines).encode()
    yield "elpv_dataset/utils.py", b"# reads the table"
    yield "elpv_dataset-1.0.0.dist-info/METADATA", b"Name: elpv-dataset"


def polyps() -> Files:
    """The archive of four polyp sets, with two images each of those that nobody asks for here."""
    for name, count in (("CVC-300", 60), ("CVC-ColonDB", 2), ("CVC-ClinicDB", 2), ("Kvasir", 2)):
        for number in range(1, count + 1):
            yield f"Polyp_DataSet/{name}/images/{number}.png", picture("png")
            yield f"Polyp_DataSet/{name}/masks/{number}.png", mask("png")


def bmad(asked: str) -> Callable[[], Files]:
    """All six sets are in one archive; those that nobody asks for hold an image a label here."""

    def files() -> Files:
        for name, folder in BMAD.items():
            normal, anomalous = _counts(name) if name == asked else (1, 1)
            masks, home = record(name).has_masks, f"bmad/{folder}"
            yield f"{home}/train/good/0.png", picture("png", "L")
            for part, good, bad in (("valid", 1, 1), ("test", normal, anomalous)):
                for label, images in (("good", good), ("Ungood", bad)):
                    inner = f"{home}/{part}/{label}"
                    for number in range(images):
                        yield f"{inner}/{'img/' if masks else ''}{number}.png", picture("png", "L")
                        if masks:
                            rows = () if label == "good" else (1, 2)
                            yield f"{inner}/label/{number}.png", mask("png", rows=rows)

    return files


def _counts(name: str) -> tuple[int, int]:
    known = record(name).subsets[0].counts
    return DRAWN[name] if known is None else known


EXTENDED: Final[dict[str, tuple[str, Callable[[], Files]]]] = {
    "mvtec_ad_2": ("mvtec_ad_2.tar.gz", mvtec_ad_2),
    "ksdd2": ("KolektorSDD2.zip", ksdd2),
    "elpv": ("elpv_dataset-1.0.0-py3-none-any.whl", elpv),
    **{name: ("bmad.zip", bmad(name)) for name in BMAD},
    "cvc_300": ("Polyp_DataSet.zip", polyps),
}
"""All but Real-IAD, which is no single archive."""


def real_iad(folder: Path) -> dict[str, bytes]:
    """The files of the hub by their paths there: an archive of lists, and one of images a class.

    The first list has all views; the other one view of a sound object, and one of a defective one.
    """
    normal, anomalous = DRAWN["real_iad"]
    lists: dict[str, bytes] = {}
    found: dict[str, bytes] = {}
    for subset in record("real_iad").subset_names:
        trained = [_view(subset, "OK", 1, 1)]
        tested = [_view(subset, "OK", 2, view) for view in range(1, normal + 1)]
        tested += [_view(subset, SEEN[view % 3], 3, view) for view in range(1, anomalous + 1)]
        for name, kept in (("realiad_jsons", tested), ("realiad_jsons_sv", [tested[0], tested[-1]])):
            content = {"meta": {"prefix": f"{subset}/"}, "train": trained, "test": kept}
            lists[f"realiad_jsons/{name}/{subset}.json"] = json.dumps(content).encode()
        files = {}
        for entry in (*trained, *tested):
            files[f"{subset}/{entry['image_path']}"] = picture("jpg")
            if entry["mask_path"]:
                files[f"{subset}/{entry['mask_path']}"] = mask("png")
        found[f"realiad_1024/{subset}.zip"] = _zipped(folder / "images.zip", files)
    return {"realiad_jsons.zip": _zipped(folder / "lists.zip", lists)} | found


def _view(subset: str, kind: str, number: int, view: int) -> dict[str, str | None]:
    home = "OK" if kind == "OK" else f"NG/{kind}"
    stem = f"{home}/S{number:04d}/{subset}_{number:04d}_{home.replace('/', '_')}_C{view}_20230927"
    mask_path = None if kind == "OK" else f"{stem}_mask.png"
    return {"category": subset, "anomaly_class": kind, "image_path": f"{stem}.jpg", "mask_path": mask_path}


def _zipped(path: Path, files: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return path.read_bytes()
