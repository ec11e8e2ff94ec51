"""The contract of a data set: its record, and what its layout reader makes of the published files.

Every check takes the record with its listing. Nothing is decoded: the stage `prepare` looks at
the images themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline import catalog
from pipeline.catalog import ANOMALOUS, NORMAL, DatasetRecord, Listing
from pipeline.catalog.samples import GOOD
from pipeline.catalog.tree import mask_files
from pipeline.conformance.failures import require, run_checks


@dataclass(frozen=True)
class ReadDataset:
    """A record, the folder of its files, and what was read there."""

    record: DatasetRecord
    folder: Path
    listing: Listing


def read_dataset(name: str, folder: Path) -> ReadDataset:
    """The data set `name` (shipped, or in `datasets/` of the current folder) as it lies in `folder`.

    Raises:
        DataError: no such record, one that cannot be used, or no such folder.
    """
    record = catalog.record(name)
    return ReadDataset(record, folder, catalog.list_samples(record, folder))


def check_dataset(name: str, folder: Path) -> None:
    """Make all `DATASET_CHECKS`, and hold the counts against the record; arguments as of `read_dataset`.

    Raises:
        ConformanceError: one line a failed check.
        DataError: see `read_dataset`.
    """
    read = read_dataset(name, folder)
    run_checks((*DATASET_CHECKS, counts_are_the_records), lambda: read, name)


def every_subset_is_usable(read: ReadDataset) -> None:
    """No subset has a problem."""
    require(not read.listing.problems, "; ".join(read.listing.problems.values()))


def files_are_there_once(read: ReadDataset) -> None:
    """Images and masks exist below the folder, and no image is two samples."""
    root = read.folder.resolve()
    for sample in read.listing.samples:
        for path in (sample.image, *(mask_files(root, sample.mask) if sample.mask else ())):
            inside = (root / path).resolve().is_relative_to(root) and (root / path).is_file()
            require(inside, f"{path} is no file of {read.folder}")
    names = [sample.name for sample in read.listing.samples]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    require(not twice, f"read twice: {', '.join(twice)}")


def what_is_left_has_a_reason(read: ReadDataset) -> None:
    """Every file that is not used is listed as ignored, and says why."""
    bare = [entry.path for entry in read.listing.ignored if not entry.reason]
    require(not bare, f"ignored without a reason: {', '.join(bare)}")


def labels_defects_and_masks_agree(read: ReadDataset) -> None:
    """Normal images are `good`; anomalous ones have a mask where the record measures pixels."""
    for sample in read.listing.samples:
        good = sample.defect == GOOD
        require(good == (sample.label == NORMAL), f"{sample.name}: label {sample.label}, {sample.defect!r}")
        if sample.label == ANOMALOUS:
            has = sample.mask is not None
            require(has or not read.record.has_masks, f"{sample.name}: no mask")


def class_names_can_be_prompts(read: ReadDataset) -> None:
    """Prompts say the class name, so it has words and no braces."""
    for subset in read.record.subsets:
        name = subset.class_name
        require(bool(name.strip()) and not set("{}") & set(name), f"{subset.name}: class name {name!r}")


def counts_are_the_records(read: ReadDataset) -> None:
    """Each subset has the test images that the record says."""
    found = read.listing.counts()
    for subset, known in read.record.expected().items():
        there = found.get(subset, (0, 0))
        for label, wanted, count in zip(("normal", "anomalous"), known, there, strict=True):
            message = f"{subset}: {count} {label} images, the record says {wanted}"
            require(wanted in (None, count), message)


DATASET_CHECKS: Final[tuple[Callable[[ReadDataset], None], ...]] = (
    every_subset_is_usable,
    files_are_there_once,
    what_is_left_has_a_reason,
    labels_defects_and_masks_agree,
    class_names_can_be_prompts,
)
"""The rules of a data set; each function raises `ConformanceError` when its rule is broken."""
