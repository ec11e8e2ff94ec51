"""The archive of every data set as it is published: its layout, its quirks, its counts, in tiny pictures.

`published_archive` writes one; what its test split must give stands in the record.
"""

import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.catalog import DatasetRecord, record

Files = Iterator[tuple[str, bytes]]

SIDE = 4


@cache
def picture(kind: str, mode: str = "RGB") -> bytes:
    """A flat picture as a file of a format."""
    return _encoded(Image.new(mode, (SIDE, SIDE), 90 if mode == "L" else (90, 45, 10)), kind)


@cache
def mask(
    kind: str, value: int = 255, shape: tuple[int, int] = (SIDE, SIDE), rows: tuple[int, ...] = (1, 2)
) -> bytes:
    """A mask whose `rows` are anomalous; none for the all-zero mask of a normal image."""
    pixels = np.zeros(shape, np.uint8)
    pixels[list(rows)] = value
    return _encoded(Image.fromarray(pixels), kind)


def _encoded(image: Image.Image, kind: str) -> bytes:
    sink = io.BytesIO()
    image.save(sink, {"jpg": "JPEG", "tif": "TIFF"}.get(kind, kind))
    return sink.getvalue()


def mvtec() -> Files:
    yield "license.txt", b"CC BY-NC-SA"
    yield "readme.txt", b"read me"
    for subset in record("mvtec").subsets:
        mode = "L" if subset.name in {"grid", "screw", "zipper"} else "RGB"
        yield from _mvtec_like(subset.name, subset.counts, ("bent", "broken"), mode=mode)


def mpdd() -> Files:
    for subset in record("mpdd").subsets:
        defects = ("anomalous",) if subset.name == "tubes" else ("hole", "scratches")
        yield from _mvtec_like(f"MPDD/{subset.name}", subset.counts, defects)


def dtd_synthetic() -> Files:
    shared = {"Woven_001": (20, 79), "Woven_125": (30, 70)}
    for subset in record("dtd_synthetic").subsets:
        counts = subset.counts or shared[subset.name]
        yield from _mvtec_like(f"DTD-Synthetic/{subset.name}", counts, ("bad",), mask_name="{:03d}")


def btad() -> Files:
    kinds = {"01": ("bmp", "png"), "02": ("png", "png"), "03": ("bmp", "bmp")}
    for subset in record("btad").subsets:
        home, (image, truth) = f"BTech_Dataset_transformed/{subset.name}", kinds[subset.name]
        normal, anomalous = subset.counts or (0, 0)
        yield f"{home}/train/ok/0000.{image}", picture(image)
        for number in range(normal):
            yield f"{home}/test/ok/{number:04d}.{image}", picture(image)
        for number in range(anomalous):
            yield f"{home}/test/ko/{number:04d}.{image}", picture(image)
            yield f"{home}/ground_truth/ko/{number:04d}.{truth}", mask(truth)


def _mvtec_like(
    home: str,
    counts: tuple[int, int] | None,
    defects: Sequence[str],
    *,
    mode: str = "RGB",
    mask_name: str = "{:03d}_mask",
) -> Files:
    normal, anomalous = counts or (0, 0)
    yield f"{home}/train/good/000.png", picture("png", mode)
    for number in range(normal):
        yield f"{home}/test/good/{number:03d}.png", picture("png", mode)
    for index in range(anomalous):
        defect, number = defects[index % len(defects)], index // len(defects)
        yield f"{home}/test/{defect}/{number:03d}.png", picture("png", mode)
        yield f"{home}/ground_truth/{defect}/{mask_name.format(number)}.png", mask("png")


def visa() -> Files:
    rows = ["object,split,label,image,mask"]
    for subset in record("visa").subsets:
        yield f"{subset.name}/image_anno.csv", b"image,label,mask\n"
        normal, anomalous = subset.counts or (0, 0)
        for number in range(normal + 3):
            path = f"{subset.name}/Data/Images/Normal/{number:04d}.JPG"
            rows.append(f"{subset.name},{'train' if number < 3 else 'test'},normal,{path},")
            yield path, picture("jpg")
        for number in range(anomalous):
            path = f"{subset.name}/Data/Images/Anomaly/{number:03d}.JPG"
            truth = f"{subset.name}/Data/Masks/Anomaly/{number:03d}.png"
            rows.append(f"{subset.name},test,anomaly,{path},{truth}")
            yield path, picture("jpg")
            yield truth, mask("png", number % 9 + 1)
    yield "split_csv/1cls.csv", "\n".join(rows).encode()
    yield "split_csv/2cls_fewshot.csv", b"object,split,label,image,mask\n"


def sdd() -> Files:
    """The authors' pieces."""
    home = "electrical commutators"
    for number in range(181):
        yield f"{home}/test/good/kos{number // 8 + 1:02d}_Part{number % 8}_0.png", picture("png", "L")
    for number in range(74):
        name = f"kos{number // 8 + 1:02d}_Part{number % 8}_1"
        yield f"{home}/test/defect/{name}.png", picture("png", "L")
        yield f"{home}/ground_truth/defect/{name}_mask.png", mask("png")


def sdd_standard() -> Files:
    """KolektorSDD: 399 images, 52 with a defect, two of which reach over a cut into a second piece."""
    for index in range(399):
        home, part = f"kos{index // 8 + 1:02d}", index % 8
        rows = () if index >= 52 else (1, 2) if index < 2 else (1,)  # cut at 1 and 2
        yield f"{home}/Part{part}.jpg", picture("jpg", "L")
        yield f"{home}/Part{part}_label.bmp", mask("bmp", rows=rows)


def dagm() -> Files:
    """Twice, the second time in a sub-folder (here with one image a class)."""
    home = "DAGM_KaggleUpload"
    for index, subset in enumerate(record("dagm").subset_names):
        images, anomalous = (575, 79) if index < 6 else (1150, 145)
        test = f"{home}/{subset}/Test"
        yield f"{home}/{subset}/Train/0001.PNG", picture("png", "L")
        yield f"{home}/{subset}/Train/Label/Labels.txt", b"1\n"
        yield f"{home}/{home}/{subset}/Test/0001.PNG", picture("png", "L")
        lines = ["1"]
        for number in range(1, images + 1):
            yield f"{test}/{number:04d}.PNG", picture("png", "L")
            if number <= anomalous:
                lines.append(f"{number}\t1\t{number:04d}.PNG\t0\t{number:04d}_label.PNG")
                yield f"{test}/Label/{number:04d}_label.PNG", mask("png")
        yield f"{test}/Label/Labels.txt", "\n".join(lines).encode()


def headct() -> Files:
    yield (
        "labels.csv",
        ("id, hemorrhage\n" + "".join(f"{it},{int(it < 100)}\n" for it in range(200))).encode(),
    )
    for number in range(200):
        yield f"head_ct/head_ct/{number:03d}.png", picture("png", "L")


def brainmri() -> Files:
    """Everything twice; suffixes in several spellings, names with spaces."""
    for home in ("", "brain_tumor_dataset/"):
        for number in range(98):
            kind = ("jpg", "jpeg", "JPG", "png")[number % 4]
            yield f"{home}no/{number} no.{kind}", picture("png" if kind == "png" else "jpg", "L")
        for number in range(155):
            yield f"{home}yes/Y{number}.{'JPG' if number % 2 else 'jpg'}", picture("jpg")


def br35h() -> Files:
    for number in range(1500):
        yield f"no/no{number}.jpg", picture("jpg")
        yield f"yes/y{number}.jpg", picture("jpg")
    for number in range(60):
        yield f"pred/pred{number}.jpg", picture("jpg")
    yield "Br35H-Mask-RCNN/TRAIN/y0.jpg", picture("jpg")
    yield "Br35H-Mask-RCNN/TRAIN/annotations_train.json", b"{}"


def covid19() -> Files:
    """The first release."""
    home = "COVID-19 Radiography Database"
    for kind, count in (("NORMAL", 1341), ("COVID-19", 219), ("Viral Pneumonia", 1345)):
        for number in range(1, count + 1):
            yield f"{home}/{kind}/{kind} ({number}).png", picture("png", "L")
        yield f"{home}/{kind}.metadata.xlsx", b"sheet"


def isic() -> Files:
    """Both parts, as the authors' copy has them."""
    for number in range(379):
        yield f"ISBI2016_ISIC_Part1_Test_Data/ISIC_{number:07d}.jpg", picture("jpg")
        yield f"ISBI2016_ISIC_Part1_Test_GroundTruth/ISIC_{number:07d}_Segmentation.png", mask("png")


def polyps() -> Files:
    """One archive for ColonDB, ClinicDB and Kvasir, with a fourth set that nobody asks for."""
    for name, count in (("CVC-300", 60), ("CVC-ColonDB", 380), ("CVC-ClinicDB", 612), ("Kvasir", 1000)):
        for number in range(1, count + 1):
            stem = f"cju{number:04x}k4" if name == "Kvasir" else str(number)
            yield f"Polyp_DataSet/{name}/images/{stem}.png", picture("png")
            yield f"Polyp_DataSet/{name}/masks/{stem}.png", mask("png")


def endo() -> Files:
    for number in range(200):
        stem = f"EndoTect_2020_Segmentation_Test_Dataset/{{}}/{number:08x}-cf6d-442a-849d-80ddf0d1edaf"
        yield f"{stem.format('images')}.jpg", picture("jpg")
        yield f"{stem.format('masks')}.jpg", mask("jpg")


def tn3k() -> Files:
    home = "Thyroid Dataset/tn3k"
    for number in range(614):
        yield f"{home}/test-image/{number:04d}.jpg", picture("jpg")
        yield f"{home}/test-mask/{number:04d}.jpg", mask("jpg")
    for number in range(5):
        yield f"{home}/trainval-image/{number:04d}.jpg", picture("jpg")
        yield f"{home}/trainval-mask/{number:04d}.jpg", mask("jpg")
    yield f"{home}/label4test.csv", b"0000.jpg,1\n"
    yield "Thyroid Dataset/tg3k/thyroid-image/0000.jpg", picture("jpg")


ARCHIVES: dict[str, tuple[str, Callable[[], Files]]] = {
    "mvtec": ("mvtec_anomaly_detection.tar.xz", mvtec),
    "visa": ("VisA_20220922.tar", visa),
    "mpdd": ("MPDD.zip", mpdd),
    "btad": ("btad.zip", btad),
    "sdd": ("SDD.zip", sdd),
    "dagm": ("dagm.zip", dagm),
    "dtd_synthetic": ("DTD-Synthetic.zip", dtd_synthetic),
    "headct": ("head-ct-hemorrhage.zip", headct),
    "brainmri": ("brain-mri.zip", brainmri),
    "br35h": ("br35h.zip", br35h),
    "covid19": ("covid19.zip", covid19),
    "isic": ("ISBI2016.zip", isic),
    "cvc_colondb": ("Polyp_DataSet.zip", polyps),
    "cvc_clinicdb": ("Polyp_DataSet.zip", polyps),
    "kvasir": ("Polyp_DataSet.zip", polyps),
    "endo": ("EndoTect.zip", endo),
    "tn3k": ("Thyroid Dataset.zip", tn3k),
}


def published_archive(
    name: str, folder: Path, archives: Mapping[str, tuple[str, Callable[[], Files]]] = ARCHIVES
) -> tuple[Path, DatasetRecord]:
    """Write the archive of a data set into `folder`; its path, and the record that it must agree with."""
    file_name, files = archives[name]
    return write_archive(folder / file_name, files()), record(name)


def write_archive(path: Path, files: Files) -> Path:
    """Files as a zip or a tar archive, by the suffix."""
    if path.suffix in {".zip", ".whl"}:
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files:
                archive.writestr(zipfile.ZipInfo(name), content)
        return path
    packed = {".xz": "w:xz", ".gz": "w:gz"}.get(path.suffix, "w:")
    with tarfile.open(path, packed, **({"preset": 0} if packed == "w:xz" else {})) as tar:  # type: ignore[call-overload]
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path
