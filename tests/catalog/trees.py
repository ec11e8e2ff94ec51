"""Small trees in the published layout of each data set, with its quirks, and the counts to find."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.catalog import Counts, Listing, list_samples, record
from pipeline.catalog.builds import FileFact, build_digest, subset_digest

Built = dict[str, Counts]


def listed(name: str, root: Path) -> Listing:
    """What the data set `name` lists of a tree."""
    return list_samples(record(name), root)


def fingerprint(listing: Listing, root: Path) -> dict[str, str]:
    """Subset to the digest of its files as they lie on disk; that of the build is under ""."""
    counts = listing.counts()
    found = {}
    for subset in counts:
        samples = listing.of(subset)
        paths = {path for sample in samples for path in (sample.image, sample.mask) if path}
        facts = {path: FileFact.of((root / path).read_bytes()) for path in paths}
        found[subset] = subset_digest(samples, facts, listing.base)
    return found | {"": build_digest({name: (found[name], counts[name]) for name in counts})}


def picture(path: Path, mode: str = "RGB", size: tuple[int, int] = (12, 9), value: int = 90) -> Path:
    """Write a flat picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode in {"L", "1"} else (value, value // 2, 10)).save(path)
    return path


def mask(path: Path, value: int = 255, size: tuple[int, int] = (12, 9)) -> Path:
    """Write a mask with a small square of `value`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((size[1], size[0]), np.uint8)
    pixels[2:6, 3:8] = value
    Image.fromarray(pixels).save(path)
    return path


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def mvtec(root: Path) -> Built:
    text(root / "readme.txt", "read me")
    for subset in record("mvtec").subset_names:
        mode = "L" if subset in {"grid", "screw", "zipper"} else "RGB"
        picture(root / subset / "train/good/000.png", mode)
        for number in range(3):
            picture(root / subset / f"test/good/{number:03d}.png", mode)
        for defect in ("crack", "hole"):
            for number in range(2):
                picture(root / subset / f"test/{defect}/{number:03d}.png", mode)
                mask(root / subset / f"ground_truth/{defect}/{number:03d}_mask.png")
    return dict.fromkeys(record("mvtec").subset_names, (3, 4))


def visa(root: Path) -> Built:
    rows = ["object,split,label,image,mask"]
    for subset in record("visa").subset_names:
        text(root / subset / "image_anno.csv", "image,label,mask\n")
        for number in range(4):
            path = f"{subset}/Data/Images/Normal/{number:04d}.JPG"
            picture(root / path)
            rows.append(f"{subset},{'train' if number < 2 else 'test'},normal,{path},")
        for number in range(3):
            path, truth = (
                f"{subset}/Data/Images/Anomaly/{number:03d}.JPG",
                f"{subset}/Data/Masks/Anomaly/{number:03d}.png",
            )
            picture(root / path)
            mask(root / truth, value=number + 1)
            rows.append(f"{subset},test,anomaly,{path},{truth}")
    text(root / "split_csv/1cls.csv", "\n".join(rows) + "\n")
    text(root / "split_csv/2cls_highshot.csv", "object,split,label,image,mask\n")
    return dict.fromkeys(record("visa").subset_names, (2, 3))


def mpdd(root: Path) -> Built:
    for subset in record("mpdd").subset_names:
        home = root / "MPDD" / subset
        picture(home / "train/good/000.png")
        picture(home / "test/good/000.png")
        picture(home / "test/anomalous/000.png")
        mask(home / "ground_truth/anomalous/000_mask.png")
    return dict.fromkeys(record("mpdd").subset_names, (1, 1))


def btad(root: Path) -> Built:
    for subset, image, truth in (("01", "bmp", "png"), ("02", "png", "png"), ("03", "bmp", "bmp")):
        home = root / "BTech_Dataset_transformed" / subset
        picture(home / f"train/ok/0001.{image}")
        for number in range(2):
            picture(home / f"test/ok/{number:04d}.{image}")
            picture(home / f"test/ko/{number:04d}.{image}")
            mask(home / f"ground_truth/ko/{number:04d}.{truth}")
    return dict.fromkeys(("01", "02", "03"), (2, 2))


def sdd(root: Path) -> Built:
    """Three items of two images: 18 pieces, 3 of them anomalous, so 4 of the 15 normal ones are kept."""
    for item in ("kos01", "kos02", "kos03"):
        for part in range(2):
            picture(root / item / f"Part{part}.jpg", "L", (10, 31))
            pixels = np.zeros((31, 10), np.uint8)
            if item == "kos01" and part == 0:
                pixels[9:12] = 255  # crosses the first cut, at 10
            if item == "kos03" and part == 1:
                pixels[30, 0] = 1
            Image.fromarray(pixels).save(root / item / f"Part{part}_label.bmp")
    return {"electrical commutators": (4, 3)}


def sdd_converted(root: Path) -> Built:
    home = root / "electrical_commutators"
    for number in range(3):
        picture(home / f"test/good/kos01_Part{number}_0.png")
    picture(home / "test/defect/kos02_Part1_2.png")
    mask(home / "ground_truth/defect/kos02_Part1_2_mask.png")
    return {"electrical commutators": (3, 1)}


def dagm(root: Path) -> Built:
    home = root / "DAGM_KaggleUpload"
    for copy in (home, home / "DAGM_KaggleUpload"):
        for subset in record("dagm").subset_names:
            picture(copy / subset / "Train/0001.PNG", "L")
            text(copy / subset / "Train/Label/Labels.txt", "1\n0001\t0\t0\t0\t0\n")
            for number in range(1, 5):
                picture(copy / subset / f"Test/{number:04d}.PNG", "L")
            mask(copy / subset / "Test/Label/0003_label.PNG")
            text(copy / subset / "Test/Label/Labels.txt", "1\n0003\t1\t0003.PNG\t1\t0003_label.PNG\n")
    return dict.fromkeys(record("dagm").subset_names, (3, 1))


def dtd_synthetic(root: Path) -> Built:
    for subset in record("dtd_synthetic").subset_names:
        home = root / "DTD-Synthetic" / subset
        picture(home / "train/good/000.png")
        for number in range(2):
            picture(home / f"test/good/{number:03d}.png")
            picture(home / f"test/bad/{number:03d}.png")
            mask(home / f"ground_truth/bad/{number:03d}{'_mask' if subset == 'Mesh_114' else ''}.png")
    return dict.fromkeys(record("dtd_synthetic").subset_names, (2, 2))


def headct(root: Path) -> Built:
    for number in range(6):
        picture(root / f"head_ct/head_ct/{number:03d}.png", "L")
    flags = "".join(f"{number},{int(number < 4)}\n" for number in range(6))
    text(root / "labels.csv", "id, hemorrhage\n" + flags)
    return {"brain": (2, 4)}


def brainmri(root: Path) -> Built:
    for home in (root, root / "brain_tumor_dataset"):
        for name in ("1 no.jpeg", "no 99.jpg", "no.JPG"):
            picture(home / "no" / name, "L")
        for name in ("Y1.jpg", "Y100.JPG", "Y2.png", "Y3.jpeg"):
            picture(home / "yes" / name)
    return {"brain": (3, 4)}


def br35h(root: Path) -> Built:
    for number in range(3):
        picture(root / f"no/no{number}.jpg")
        picture(root / f"yes/y{number}.jpg")
        picture(root / f"pred/pred{number}.jpg")
        picture(root / f"Br35H-Mask-RCNN/TRAIN/y{number}.jpg")
    text(root / "Br35H-Mask-RCNN/TRAIN/annotations_train.json", "{}")
    text(root / "meta.json", "{}")
    return {"brain": (3, 3)}


def covid19(root: Path) -> Built:
    home = root / "COVID-19 Radiography Database"
    for number in range(1, 4):
        picture(home / f"NORMAL/NORMAL ({number}).png", "L")
        picture(home / f"Viral Pneumonia/Viral Pneumonia ({number}).png", "L")
    picture(home / "COVID-19/COVID-19 (1).png", "L")
    text(home / "NORMAL.metadata.xlsx", "sheet")
    return {"chest": (3, 1)}


def covid19_release2(root: Path) -> Built:
    home = root / "COVID-19 Radiography Database"
    for name in ("NORMAL", "COVID", "Viral Pneumonia"):
        picture(home / f"{name}/{name} (1).png", "L")
    picture(home / "COVID/COVID (2).png", "L")
    return {"chest": (1, 2)}


def covid19_release3(root: Path) -> Built:
    home = root / "COVID-19_Radiography_Dataset"
    for name in ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia"):
        for number in range(1, 3):
            picture(home / name / f"images/{name}-{number}.png", "L")
            mask(home / name / f"masks/{name}-{number}.png")
        text(home / f"{name}.metadata.xlsx", "sheet")
    text(home / "README.md.txt", "read me")
    return {"chest": (2, 2)}


def isic(root: Path) -> Built:
    for number in range(3):
        picture(root / f"ISBI2016_ISIC_Part1_Test_Data/ISIC_{number:07d}.jpg", size=(20 + number, 13))
        mask(root / f"ISBI2016_ISIC_Part1_Test_GroundTruth/ISIC_{number:07d}_Segmentation.png")
    return {"skin": (0, 3)}


def _polyps(home: Path, names: tuple[str, ...], image: str, truth: str) -> None:
    for name in names:
        picture(home / "images" / f"{name}.{image}")
        mask(home / "masks" / f"{name}.{truth}")


def cvc_colondb(root: Path) -> Built:
    """The whole archive, which holds other data sets too."""
    for folder in ("CVC-300", "CVC-ClinicDB", "Kvasir"):
        _polyps(root / "Polyp_DataSet" / folder, ("1", "2"), "png", "png")
    _polyps(root / "Polyp_DataSet/CVC-ColonDB", ("1", "2", "10", "11"), "png", "png")
    return {"colon": (0, 4)}


def cvc_clinicdb(root: Path) -> Built:
    _polyps(root / "CVC-ClinicDB", ("1", "2", "10"), "png", "png")
    return {"colon": (0, 3)}


def cvc_clinicdb_original(root: Path) -> Built:
    for name in ("1", "2"):
        picture(root / f"Original/{name}.tif")
        mask(root / f"Ground Truth/{name}.tif")
    return {"colon": (0, 2)}


def kvasir(root: Path) -> Built:
    _polyps(root / "Kvasir", ("cju2rz4k", "cju0qkwl"), "png", "png")
    return {"colon": (0, 2)}


def kvasir_publisher(root: Path) -> Built:
    _polyps(root / "Kvasir-SEG", ("cju2rz4k", "cju0qkwl", "cju0roaw"), "jpg", "jpg")
    text(root / "Kvasir-SEG/kavsir_bboxes.json", "{}")
    return {"colon": (0, 3)}


def endo(root: Path) -> Built:
    home = root / "EndoTect_2020_Segmentation_Test_Dataset"
    _polyps(home, ("003ab8b5-cf6d-442a-849d-80ddf0d1edaf", "1b2f"), "jpg", "png")
    return {"colon": (0, 2)}


def colon_auxiliary(root: Path) -> Built:
    """Numbers as names on one side, UUIDs on the other; a class may lie deeper than another."""
    _polyps(root / "CVC-ColonDB", ("1", "2", "10"), "png", "png")
    home = root / "EndoTect_2020_Test_Dataset"
    picture(home / "normal-cecum/1b2f.jpg")
    picture(home / "normal-pylorus/003ab8b5.jpg")
    picture(home / "upper/normal-z-line/0c1d.JPG")
    picture(home / "upper/normal-z-line/7e55.jpg")
    for other in ("polyp", "retroflex-stomach"):
        picture(home / other / "5f00.jpg")
    text(home / "labels.csv", "5f00,polyp")
    return {"colon": (4, 3)}


def tn3k(root: Path) -> Built:
    home = root / "Thyroid Dataset/tn3k"
    for number in range(3):
        picture(home / f"test-image/{number:04d}.jpg")
        mask(home / f"test-mask/{number:04d}.jpg")
        picture(home / f"trainval-image/{number:04d}.jpg")
        mask(home / f"trainval-mask/{number:04d}.jpg")
    picture(root / "Thyroid Dataset/tg3k/thyroid-image/0000.jpg")
    text(home / "label4test.csv", "0,1\n")
    return {"thyroid": (0, 3)}


PUBLISHED: dict[str, Callable[[Path], Built]] = {
    builder.__name__: builder
    for builder in (
        mvtec, visa, mpdd, btad, sdd, dagm, dtd_synthetic, headct, brainmri, br35h, covid19,
        isic, cvc_colondb, cvc_clinicdb, kvasir, endo, tn3k, colon_auxiliary,
    )
}  # fmt: skip

OTHER_COPIES: dict[str, tuple[str, Callable[[Path], Built]]] = {
    "sdd converted": ("sdd", sdd_converted),
    "covid19 release 2": ("covid19", covid19_release2),
    "covid19 release 3": ("covid19", covid19_release3),
    "kvasir of the publisher": ("kvasir", kvasir_publisher),
    "clinicdb original": ("cvc_clinicdb", cvc_clinicdb_original),
}
