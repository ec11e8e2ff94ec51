"""The rules of a data set hold for the published layouts, and each is broken once."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog import Ignored, Sample
from pipeline.conformance import ConformanceError, check_dataset, read_dataset
from pipeline.conformance import dataset as suite
from tests.project import ROOT

AGREE = suite.labels_defects_and_masks_agree


def changed(**change: Any) -> suite.ReadDataset:
    """BTAD as drawn, with another listing."""
    read = read_dataset("btad", ROOT / "samples/btad")
    return replace(read, listing=replace(read.listing, **change))


def samples(position: int, **change: Any) -> tuple[Sample, ...]:
    made = list(changed().listing.samples)
    made[position] = replace(made[position], **change)
    return tuple(made)


@pytest.mark.parametrize(
    ("check", "change", "message"),
    [
        (suite.every_subset_is_usable, {"problems": {"01": "btad/01: no mask"}}, "btad/01: no mask"),
        (suite.files_are_there_once, {"samples": samples(0, image="nowhere.png")}, "nowhere.png is no file"),
        (suite.files_are_there_once, {"samples": samples(0, image="../README.md")}, "README.md is no file"),
        (suite.files_are_there_once, {"samples": 2 * changed().listing.samples[:1]}, "read twice"),
        (suite.what_is_left_has_a_reason, {"ignored": (Ignored("a/b", ""),)}, "without a reason: a/b"),
        (AGREE, {"samples": samples(0, label=0, defect="ko")}, "label 0, 'ko'"),
        (AGREE, {"samples": samples(-1, label=1, defect="ko", mask=None)}, "no mask"),
        (suite.counts_are_the_records, {}, "images, the record says"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_named(
    check: Callable[[suite.ReadDataset], None], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConformanceError, match=message):
        check(changed(**change))


def test_class_names() -> None:
    read = changed()
    subset = read.record.subsets[0].model_copy(update={"class_name": "a {}"})
    record = read.record.model_copy(update={"subsets": (subset, *read.record.subsets[1:])})
    with pytest.raises(ConformanceError, match=r"class name 'a \{\}'"):
        suite.class_names_can_be_prompts(replace(read, record=record))


def test_one_error_lists_all(tmp_path: Path) -> None:
    (tmp_path / "photo.txt").touch()
    with pytest.raises(ConformanceError, match=r"(?s)btad: every_subset_is.*btad: counts_are"):
        check_dataset("btad", tmp_path)
