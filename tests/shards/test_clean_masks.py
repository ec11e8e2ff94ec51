from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.catalog import record
from pipeline.shards import Manifest, open_subset, prepare
from tests.catalog import trees

SIDE = 20


def with_noise(root: Path) -> None:
    """Lossy masks as TN3K has them: a nodule, and grey noise around it."""
    trees.tn3k(root)
    for path in (root / "Thyroid Dataset/tn3k/test-mask").iterdir():
        pixels = np.zeros((SIDE, SIDE), np.uint8)
        pixels[2:18, 2:18] = 40
        pixels[6:14, 6:14] = 255
        image = root / "Thyroid Dataset/tn3k/test-image" / f"{path.stem}.jpg"
        Image.new("RGB", (SIDE, SIDE)).save(image)
        path.unlink()
        Image.fromarray(pixels).save(path.with_suffix(".png"))


def prepared(build: str | None, folder: Path) -> Manifest:
    return prepare(record("tn3k").accepting(build), folder / "data", folder / (build or "paper"), [SIDE])


def area(folder: Path) -> int:
    masks = open_subset(folder, "thyroid", SIDE).masks(0, 1)
    assert masks is not None
    return int(masks.sum())


def test_the_papers_rule_and_the_clean_one(tmp_path: Path) -> None:
    with_noise(tmp_path / "data")
    paper, clean = prepared(None, tmp_path), prepared("clean masks", tmp_path)
    assert (area(tmp_path / "paper"), area(tmp_path / "clean masks")) == (16 * 16, 8 * 8)
    assert paper.build != clean.build
    assert paper.subsets[0].digests != clean.subsets[0].digests


@pytest.mark.parametrize("name", ["tn3k", "kvasir", "endo", "cvc_colondb", "cvc_clinicdb"])
def test_the_clean_build_has_the_papers_images(name: str) -> None:
    clean = record(name).build("clean masks")
    assert clean.mask_above == 127
    assert clean.counts == record(name).builds[0].counts
    assert record(name).builds[0].mask_above == 0
