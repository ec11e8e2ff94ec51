"""Lists of images as people have them, each with the folder that it lists; see `own`."""

import json
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path

from .own import ONE, Found, photo, photos
from .trees import mask, text

TABLES: dict[str, str] = {
    "semicolons": "image;label\na.png;0\nb.png;1\n",
    "tabs": "image\tlabel\na.png\t0\nb.png\t1\n",
    "a byte order mark": "\ufeffimage,label\na.png,0\nb.png,1\n",
    "capitals": "Image,Label\na.png,good\nb.png,defect\n",
    "file names": "filename,label\na.png,OK\nb.png,NG\n",
    "file_name and class": "file_name,class\na.png,normal\nb.png,scratch\n",
    "paths": "path,is_anomaly\na.png,False\nb.png,True\n",
    "yes and no": "image,label\na.png,no\nb.png,yes\n",
    "what is good": "image,good\na.png,yes\nb.png,no\n",
    "what is ok": "image,OK\na.png,1\nb.png,0\n",
    "a column without a known name": "id,hemorrhage\na.png,0\nb.png,1\n",
    "quotes": '"image","label"\n"a.png","ok"\n"b.png","bad, very"\n',
    "a number in front": ",image,label\n0,a.png,0\n1,b.png,1\n",
    "other columns": "id,filename,width,label\n7,a.png,12,0\n8,b.png,12,1\n",
    "no suffix": "image,label\na,0\nb,1\n",
    "no header": "a.png,0\nb.png,1\n",
    "neither header nor separator": "a.png  0.0  mono\nb.png  1.0  mono\n",
    "a path of another machine": "image,label\nC:\\data\\a.png,0\nC:\\data\\b.png,1\n",
    "other case": "image,label\nA.PNG,0\nB.png,1\n",
    "empty lines": "image,label\n\na.png,0\n,\nb.png,1\n\n",
    "a column of defects": "image,defect\na.png,0\nb.png,1\n",
    "one column a kind": "image,normal,scratch\na.png,1,0\nb.png,0,1\n",
    "a separator that is stated": "sep=;\nimage;label\na.png;0\nb.png;1\n",
    "two spellings of 0": "image,label,x\na.png,0.0,0\nb.png,1,1\n",
    "several columns of labels": "image,label,anomaly\na.png,cat,0\nb.png,dog,1\n",
    "category is the kind of defect": "image,label,category\na.png,0,good\nb.png,1,scratch\n",
}


def table(content: str, encoding: str = "utf-8") -> Callable[[Path], Found]:
    def build(root: Path) -> Found:
        photos(root, ("a.png", "b.png"))
        (root / "labels.csv").write_text(content, encoding)
        return {ONE: (1, 1)}, 0

    return build


def backslashes(root: Path) -> Found:
    photos(root / "pictures/day 1", ("a.png", "b.png"))
    mask(root / "drawn/b.png")
    text(
        root / "labels.csv",
        "Image;Label;Mask\npictures\\day 1\\a.png;OK;\npictures\\day 1\\b.png;NG;drawn\\b.png\n",
    )
    return {ONE: (1, 1)}, 1


def names_of_a_folder(root: Path) -> Found:
    photos(root / "all/pictures", ("a.png", "b.png"))
    text(root / "labels.csv", "filename,label\na.png,0\nb.png,1\n")
    return {ONE: (1, 1)}, 0


def numbers(root: Path) -> Found:
    photos(root / "head_ct/head_ct", ("000.png", "001.png", "010.png"))
    text(root / "labels.csv", "id, hemorrhage\n0,1\n1,0\n10,0\n")
    return {ONE: (2, 1)}, 0


def list_in_a_folder(root: Path) -> Found:
    photos(root / "images", ("a.png", "b.png"))
    text(root / "lists/labels.tsv", "image\tlabel\n../images/a.png\t0\n../images/b.png\t1\n")
    return {ONE: (1, 1)}, 0


def _mvtec(root: Path) -> None:
    for name in ("bottle", "cable"):
        photos(root / name / "train/good", ("000.png",))
        photos(root / name / "test/good", ("000.png", "001.png"))
        photos(root / name / "test/hole", ("000.png",))
        mask(root / name / "ground_truth/hole/000_mask.png")


def _entry(name: str, image: str, truth: str = "", **more: object) -> dict[str, object]:
    return {"img_path": f"{name}/{image}", "mask_path": truth and f"{name}/{truth}", "cls_name": name, **more}


def meta_json(root: Path) -> Found:
    """As AnomalyCLIP and the repositories after it have it."""
    _mvtec(root)
    test = {
        name: [
            _entry(name, "test/good/000.png", specie_name="good", anomaly=0),
            _entry(name, "test/good/001.png", specie_name="good", anomaly=0),
            _entry(
                name, "test/hole/000.png", "ground_truth/hole/000_mask.png", specie_name="hole", anomaly=1
            ),
        ]
        for name in ("bottle", "cable")
    }
    train = {
        name: [_entry(name, "train/good/000.png", specie_name="", anomaly=0)] for name in ("bottle", "cable")
    }
    text(root / "meta.json", json.dumps({"train": train, "test": test}))
    return {"bottle": (2, 1), "cable": (2, 1)}, 2


def full_shot(root: Path) -> Found:
    """As AA-CLIP and MoECLIP have it: a mask only where there is one, paths from a folder above."""
    _mvtec(root / "data")
    lines: list[Mapping[str, object]] = []
    for name in ("bottle", "cable"):
        home = f"MVTec/data/{name}"
        lines += [
            {"image_path": f"{home}/test/good/00{n}.png", "label": 0, "class_name": name} for n in (0, 1)
        ]
        lines.append(
            {
                "image_path": f"{home}/test/hole/000.png",
                "label": 1,
                "class_name": name,
                "mask_path": f"{home}/ground_truth/hole/000_mask.png",
            }
        )
    text(root / "full-shot.jsonl", "\n".join(map(json.dumps, lines)) + "\n")
    return {"bottle": (2, 1), "cable": (2, 1)}, 2


def real_iad(root: Path) -> Found:
    """One list a class; paths count from its folder."""
    for name in ("audiojack", "bottle_cap"):
        home = root / "realiad_1024" / name
        entries = []
        for kind, sample in (("OK", "OK/S0001"), ("OK", "OK/S0002"), ("AK", "NG/AK/S0001")):
            image = f"{sample}/{name}_0001_{kind}_C1_2023.jpg"
            photo(home / image)
            truth = image.replace(".jpg", "_mask.png") if kind != "OK" else None
            if truth:
                mask(home / truth)
            entries.append({"category": name, "anomaly_class": kind, "image_path": image, "mask_path": truth})
        photo(home / f"OK/S0003/{name}_0003_OK_C1_2023.jpg")
        train = [{**entries[0], "image_path": f"OK/S0003/{name}_0003_OK_C1_2023.jpg"}]
        content = {
            "meta": {"normal_class": "OK", "prefix": f"{name}/"}, "train": train, "test": entries
        }  # fmt: skip
        text(root / f"realiad_jsons/{name}.json", json.dumps(content))
    return {"audiojack": (2, 1), "bottle_cap": (2, 1)}, 2


def text_of_names(root: Path) -> Found:
    photos(root / "images", ("a.png", "b.png"))
    text(root / "labels.txt", "a.png 0\nb.png 1\n")
    text(root / "readme.txt", "Two images.\n")
    return {ONE: (1, 1)}, 0


def list_in_every_folder(root: Path) -> Found:
    for name in ("a", "b"):
        photos(root / name, ("x.png", "y.png"))
        text(root / name / "labels.csv", "image,label\nx.png,0\ny.png,1\n")
    return {"a": (1, 1), "b": (1, 1)}, 0


def labels_by_name(root: Path) -> Found:
    photos(root, ("a.png", "b.png"))
    text(root / "labels.json", '{"a.png": "good", "b.png": "hole"}')
    return {ONE: (1, 1)}, 0


def masks_from_elsewhere(root: Path) -> Found:
    """Images by their names in a folder, masks by their paths."""
    photos(root / "images", ("a.png", "b.png"))
    mask(root / "drawn/b.png")
    text(root / "labels.csv", "image,label,mask\na.png,good,\nb.png,hole,drawn/b.png\n")
    return {ONE: (1, 1)}, 1


def masks_of_the_same_names(root: Path) -> Found:
    """Paths count from two folders that both have all names."""
    photos(root / "images", ("a.png", "b.png"))
    mask(root / "masks/a.png", 0)
    mask(root / "masks/b.png")
    text(root / "labels.csv", "image,label,mask\na.png,good,a.png\nb.png,hole,b.png\n")
    return {ONE: (1, 1)}, 1


def masks_of_the_same_names_below(root: Path) -> Found:
    photos(root, ("a.png", "b.png"))
    mask(root / "masks/b.png")
    text(root / "labels.csv", "image,label,mask\na.png,good,\nb.png,hole,b.png\n")
    return {ONE: (1, 1)}, 1


def only_anomalies(root: Path) -> Found:
    photos(root / "images", ("img_0.png", "img_1.png"))
    for number in range(2):
        mask(root / f"masks/mask_{number}.png")
    rows = [f"images/img_{number}.png,crack,masks/mask_{number}.png" for number in range(2)]
    text(root / "labels.csv", "\n".join(["image,label,mask", *rows]))
    return {ONE: (0, 2)}, 2


def accents_of_two_programs(root: Path) -> Found:
    photos(root, (unicodedata.normalize("NFD", "Stück.png"), "b.png"))
    text(root / "labels.csv", unicodedata.normalize("NFC", "image,label\nStück.png,0\nb.png,1\n"))
    return {ONE: (1, 1)}, 0


LISTS: dict[str, Callable[[Path], Found]] = {
    **{name: table(content) for name, content in TABLES.items()},
    "unicode text": table("image\tlabel\na.png\t0\nb.png\t1\n", "utf-16"),
    **{
        builder.__name__: builder
        for builder in (
            backslashes, names_of_a_folder, numbers, list_in_a_folder, meta_json, full_shot, real_iad,
            labels_by_name, list_in_every_folder, text_of_names, masks_from_elsewhere, only_anomalies,
            masks_of_the_same_names, masks_of_the_same_names_below, accents_of_two_programs,
        )
    },
}  # fmt: skip
