"""Folders as people have them, and what is in them: (normal, anomalous) by subset, and the number of masks.

Every picture is noise, so that nothing is like a mask but the masks.
"""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.catalog import Counts

from .trees import mask, text

Found = tuple[dict[str, Counts], int]
ONE = "widgets"


def photo(path: Path, seed: int = 0) -> Path:
    """A picture of noise, grey values from 40 to 215."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seeds = [seed, *"/".join(path.parts[-3:]).encode()]
    pixels = np.random.default_rng(seeds).integers(40, 216, (9, 12, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def photos(folder: Path, names: Iterable[str]) -> None:
    for number, name in enumerate(names):
        photo(folder / name, number)


def good_and_holes(root: Path, test: str = "test/", good: str = "good", hole: str = "hole") -> Found:
    photos(root / f"{test}{good}", ("000.png", "001.png", "002.png"))
    photos(root / f"{test}{hole}", ("000.png", "001.png", "002.png"))
    return {ONE: (3, 3)}, 3


def masks(folder: Path, pattern: str, value: int = 255, numbers: Iterable[int] = range(3)) -> None:
    for number in numbers:
        mask(folder / pattern.format(f"{number:03d}"), value)


BESIDE = (
    "{}_mask.png", "{}-mask.png", "{}_gt.png", "{}_label.png", "mask_{}.png", "{}.mask.png", "{}mask.png",
    "{}_MASK.PNG", "GT_{}.bmp", "{}_mask.bmp", "{}_segmentation.png", "{}_ground_truth.png", "{} mask.tif",
)  # fmt: skip


def beside_in_test(pattern: str) -> Callable[[Path], Found]:
    def build(root: Path) -> Found:
        masks(root / "test/hole", pattern)
        return good_and_holes(root)

    return build


def beside_in_classes(pattern: str) -> Callable[[Path], Found]:
    def build(root: Path) -> Found:
        masks(root / "bad", pattern)
        return good_and_holes(root, "", hole="bad")

    return build


def jpeg_beside_png_masks(root: Path) -> Found:
    good_and_holes(root)
    for path in (root / "test/hole").iterdir():
        photo(path.with_suffix(".jpg"))
        path.unlink()
    masks(root / "test/hole", "{}.png")
    return {ONE: (3, 3)}, 3


def empty_masks_of_good_beside(root: Path) -> Found:
    masks(root / "test/good", "{}_mask.png", 0)
    masks(root / "test/hole", "{}_mask.png")
    return good_and_holes(root)


def no_yes_masks(root: Path) -> Found:
    masks(root / "masks", "{}.png")
    good_and_holes(root, "", "no", "yes")
    for number in range(3):
        (root / f"no/{number:03d}.png").rename(root / f"no/N{number}.jpg")
    return {ONE: (3, 3)}, 3


def no_yes_masks_of_all(root: Path) -> Found:
    no_yes_masks(root)
    for number in range(3):
        mask(root / f"masks/N{number}.png", 0)
    return {ONE: (3, 3)}, 3


def masks_by_class(root: Path) -> Found:
    masks(root / "Masks/yes", "{}_mask.png")
    return good_and_holes(root, "", "no", "yes")


def upper_and_lower(root: Path) -> Found:
    masks(root / "ground_truth/hole", "{}_mask.png")
    return good_and_holes(root, "Test/", "Good", "Hole")


def upper_masks(root: Path) -> Found:
    masks(root / "Ground_Truth/HOLE", "{}.PNG")
    return good_and_holes(root, "TEST/", "OK", "Hole")


def spelled_masks(root: Path) -> Found:
    good_and_holes(root)
    (root / "test/hole/000.png").rename(root / "test/hole/A.png")
    (root / "test/hole/001.png").unlink()
    (root / "test/hole/002.png").unlink()
    mask(root / "ground_truth/hole/a_Mask.png")
    return {ONE: (3, 1)}, 1


def mvtec_ad_2(root: Path) -> Found:
    for name in ("can", "vial"):
        home = root / "mvtec_ad_2" / name
        photos(home / "train/good", ("000_regular.png", "001_regular.png"))
        photos(home / "validation/good", ("000_regular.png",))
        photos(home / "test_private", ("000_regular.png",))
        photos(home / "test_private_mixed", ("000_mixed.png",))
        photos(home / "test_public/good", ("000_regular.png", "001_regular.png"))
        photos(home / "test_public/bad", ("000_regular.png", "001_shift_1.png"))
        for stem in ("000_regular", "001_shift_1"):
            mask(home / f"test_public/ground_truth/bad/{stem}_mask.png")
    return {"can": (2, 2), "vial": (2, 2)}, 4


def mvtec_ad_2_one(root: Path) -> Found:
    mvtec_ad_2(root / "all")
    (root / "all/mvtec_ad_2/can").rename(root / "can")
    for path in sorted((root / "all").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (root / "all").rmdir()
    return {"can": (2, 2)}, 2


def autovi(root: Path) -> Found:
    home = root / "engine_wiring"
    photos(home / "train/good", ("0000.png",))
    photos(home / "test/good", ("0000.png", "0001.png"))
    photos(home / "test/blue_hoop", ("0000.png", "0001.png"))
    photos(home / "test/cardboard", ("0000.png",))
    for one in ("blue_hoop/0000/0000", "blue_hoop/0000/0001", "blue_hoop/0001/0000", "cardboard/0000/0000"):
        mask(home / f"ground_truth/{one}.png")
    text(home / "defects_config.json", '[{"defect_name": "blue_hoop", "pixel_value": 255}]')
    text(home / "LICENSE", "CC BY-NC-SA 4.0")
    return {"engine_wiring": (2, 3)}, 4


def bmad(root: Path) -> Found:
    for name in ("Brain", "Liver"):
        photos(root / name / "train/good", ("1.png",))
        photos(root / name / "valid/Ungood/img", ("1.png",))
        mask(root / name / "valid/Ungood/label/1.png")
        photos(root / name / "test/good/img", ("1.png", "2.png"))
        photos(root / name / "test/Ungood/img", ("1.png", "2.png", "3.png"))
        masks(root / name / "test/Ungood/label", "{}.png", numbers=())
        for number in (1, 2, 3):
            mask(root / name / f"test/Ungood/label/{number}.png")
        for number in (1, 2):
            mask(root / name / f"test/good/label/{number}.png", 0)
    return {"Brain": (2, 3), "Liver": (2, 3)}, 6


def bmad_image_level(root: Path) -> Found:
    photos(root / "Chest/test/good", ("1.png", "2.png"))
    photos(root / "Chest/test/Ungood", ("1.png",))
    return {"Chest": (2, 1)}, 0


def ksdd2(root: Path) -> Found:
    for part in ("train", "test"):
        for number, value in ((20000, 0), (20001, 255), (20002, 0)):
            photo(root / part / f"{number}.png")
            mask(root / part / f"{number}_GT.png", value)
    return {ONE: (2, 1)}, 3


def ksdd2_flat(root: Path) -> Found:
    for number, value in ((20000, 0), (20001, 255)):
        photo(root / f"{number}.png")
        mask(root / f"{number}_GT.png", value)
    return {ONE: (1, 1)}, 2


def kolektor(root: Path) -> Found:
    for item, part, value in (("kos01", 0, 0), ("kos01", 5, 255), ("kos02", 0, 0), ("kos02", 1, 0)):
        photo(root / item / f"Part{part}.jpg", part)
        mask(root / item / f"Part{part}_label.bmp", value)
    return {ONE: (3, 1)}, 4


def magnetic_tiles(root: Path) -> Found:
    for folder, value in (("MT_Free", 0), ("MT_Break", 255), ("MT_Fray", 255)):
        for number in range(3):
            photo(root / folder / f"Imgs/exp{number}_{folder}.jpg", number)
            mask(root / folder / f"Imgs/exp{number}_{folder}.png", value)
    return {ONE: (3, 6)}, 9


def jpeg_and_png(root: Path) -> Found:
    for number in range(4):
        photo(root / f"{number}.jpg")
        mask(root / f"{number}.png", 255 * (number % 2))
    return {ONE: (2, 2)}, 4


def images_and_masks(root: Path) -> Found:
    for number in range(5):
        photo(root / f"images/{number}.jpg")
        mask(root / f"masks/{number}.png", 255 * (number > 1))
    return {ONE: (2, 3)}, 5


def images_and_masks_in_parts(root: Path) -> Found:
    for part in ("train", "test"):
        images_and_masks(root / part)
    return {ONE: (2, 3)}, 5


def images_and_masks_by_part(root: Path) -> Found:
    images_and_masks(root / "x")
    for part in ("train", "test"):
        (root / "images").mkdir(exist_ok=True)
        (root / "masks").mkdir(exist_ok=True)
        images_and_masks(root / part)
        for kind in ("images", "masks"):
            (root / part / kind).rename(root / kind / part)
        (root / part).rmdir()
    for path in sorted((root / "x").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (root / "x").rmdir()
    return {ONE: (2, 3)}, 5


def sets_of_images_and_masks(root: Path) -> Found:
    for name in ("ClinicDB", "Kvasir"):
        for number in range(2):
            photo(root / name / f"images/{number}.png")
            mask(root / name / f"masks/{number}.png")
    return {"ClinicDB": (0, 2), "Kvasir": (0, 2)}, 4


def by_date(root: Path) -> Found:
    for day in ("2026-11-10", "2026-11-11"):
        photos(root / day / "ok", ("1.png", "2.png"))
        photos(root / day / "nok", ("1.png",))
    return {"2026-11-10": (2, 1), "2026-11-11": (2, 1)}, 0


def by_date_with_masks(root: Path) -> Found:
    for day in ("2026-11-10", "2026-11-11"):
        mask(root / day / "masks/1.png")
    counts, _ = by_date(root)
    for day in counts:
        (root / day / "ok/1.png").rename(root / day / "ok/3.png")
    return counts, 2


def a_label_is_photographed(root: Path) -> Found:
    """A kind of defect whose name holds a word for masks."""
    good_and_holes(root, hole="missing_label")
    return {ONE: (3, 3)}, 0


def copies(root: Path) -> Found:
    good_and_holes(root, "", "no", "yes")
    for kind in ("no", "yes"):
        shutil.copytree(root / kind, root / "brain_tumor_dataset" / kind)
    return {ONE: (3, 3)}, 0


def coloured_masks(root: Path) -> Found:
    found = good_and_holes(root)
    for number in range(3):
        one = Image.new("RGB", (12, 9))
        one.paste((255, 0, 0), (2, 2, 5, 5))
        one.save(root / f"test/hole/{number:03d}_label.png")
    return found


def jpeg_masks(root: Path) -> Found:
    found = good_and_holes(root)
    for number in range(3):
        one = Image.new("L", (80, 60))
        one.paste(255, (20, 10, 50, 30))
        one.save(root / f"test/hole/{number:03d}_label.jpg", quality=60)
    return found


def images_above_masks(root: Path) -> Found:
    photos(root, ("a.png", "b.png"))
    mask(root / "masks/a.png")
    mask(root / "masks/b.png", 0)
    return {ONE: (1, 1)}, 2


def parts_in_names(root: Path) -> Found:
    photos(root / "test-image", ("a.jpg", "b.jpg"))
    photos(root / "trainval-image", ("c.jpg",))
    for path in ("test-mask/a.jpg", "test-mask/b.jpg", "trainval-mask/c.jpg"):
        one = Image.new("L", (80, 60))
        one.paste(255, (20, 10, 50, 30))
        (root / path).parent.mkdir(exist_ok=True)
        one.save(root / path)
    return {ONE: (0, 2)}, 2


def images_and_masks_by_label(root: Path) -> Found:
    """As VisA has it."""
    for name in ("candle", "pcb"):
        photos(root / name / "Data/Images/Normal", ("a.jpg",))
        photos(root / name / "Data/Images/Anomaly", ("b.jpg",))
        mask(root / name / "Data/Masks/Anomaly/b.png")
    return {"candle": (1, 1), "pcb": (1, 1)}, 2


def newer_formats(root: Path) -> Found:
    photos(root / "good", ("0.webp", "1.jfif"))
    photos(root / "bad", ("2.tif", "3.gif"))
    return {ONE: (2, 2)}, 0


FOLDERS: dict[str, Callable[[Path], Found]] = {
    **{f"test with {pattern}": beside_in_test(pattern) for pattern in BESIDE},
    **{f"classes with {pattern}": beside_in_classes(pattern) for pattern in BESIDE},
    **{
        builder.__name__: builder
        for builder in (
            jpeg_beside_png_masks, empty_masks_of_good_beside, no_yes_masks, no_yes_masks_of_all,
            masks_by_class,
            upper_and_lower, upper_masks, spelled_masks, mvtec_ad_2, mvtec_ad_2_one, autovi, bmad,
            bmad_image_level, ksdd2, ksdd2_flat, kolektor, magnetic_tiles, jpeg_and_png, images_and_masks,
            images_and_masks_in_parts, images_and_masks_by_part, sets_of_images_and_masks, by_date,
            by_date_with_masks, a_label_is_photographed, copies, newer_formats, coloured_masks, jpeg_masks,
            images_above_masks, parts_in_names, images_and_masks_by_label, )
    },
}  # fmt: skip
