"""Every form in which people have their images: what it is taken for, or why not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import catalog
from pipeline.catalog import DatasetRecord, guess
from pipeline.catalog.tree import mask_files
from pipeline.errors import DataError

from . import own
from .own import FOLDERS, LISTS, ONE, good_and_holes, masks, photo, photos
from .trees import mask, text

EVERY = FOLDERS | LISTS


@pytest.mark.parametrize("name", EVERY)
def test_what_people_have(name: str, tmp_path: Path) -> None:
    counts, number = EVERY[name](tmp_path)
    found = guess(tmp_path, ONE)
    assert found.listing.counts() == counts
    assert found.roles["left aside"] == ()
    marks = {sample.mask for sample in found.listing.samples if sample.mask}
    assert sum(len(mask_files(tmp_path, one)) for one in marks) == number
    assert found.record.has_masks == (number > 0)
    assert ("image" in found.record.tasks) == all(all(pair) for pair in counts.values())
    again = DatasetRecord.model_validate(found.record.model_dump(mode="json", exclude_defaults=True))
    assert catalog.list_samples(again, tmp_path) == found.listing
    check_pairs(found)


def check_pairs(found: catalog.Guess) -> None:
    """A mask is no image, and every anomalous image has its own."""
    images = {sample.image for sample in found.listing.samples}
    marks = [sample.mask for sample in found.listing.samples if sample.mask]
    assert not images & set(marks)
    assert len(set(marks)) == len(marks)
    assert not set(found.roles["masks"]) & images
