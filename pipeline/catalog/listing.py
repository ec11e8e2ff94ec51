"""From a folder on disk to the samples of the test split, with a reason for every file left aside.

Finds the layout, lets it read, then applies the rules that hold for every data set: a subset with a
refused file, a lost mask or a class without images is a problem of that subset, and the others are read.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from pipeline.catalog.layouts import Reading, locate
from pipeline.catalog.layouts.base import RESTORE, apart
from pipeline.catalog.record import DatasetRecord
from pipeline.catalog.samples import ANOMALOUS, NORMAL, Ignored, Listing, Sample
from pipeline.catalog.tree import UNREAD, Tree, is_image, is_picture, mask_files, read_tree, some
from pipeline.errors import DataError


def list_samples(record: DatasetRecord, root: Path) -> Listing:
    """List the test split of a data set as published under `root`.

    Raises:
        DataError: `root` is not a folder.
    """
    if record.domain == "own" and not root.is_dir():
        raise DataError(f"{root}: no such folder; put the files of {record.name} there")
    return examine(record, read_tree(root))[0]


def examine(record: DatasetRecord, tree: Tree) -> tuple[Listing, Mapping[str, str]]:
    """The listing, and path to reason for every single file that is not used."""
    base, reading = _read(record, tree)
    problems: dict[str, str] = {}
    read: dict[str, list[Sample]] = defaultdict(list)
    for sample in reading.samples:
        read[sample.subset].append(sample)
    for subset in record.subset_names:
        if message := reading.problems.get(subset) or _flaw(record, subset, read[subset], tree):
            told = message.replace(RESTORE, advice(record, tree.root))
            problems[subset] = f"{record.name}/{subset}: {told}"
    unused = _unused(tree, base, reading)
    order = {subset: position for position, subset in enumerate(record.subset_names)}
    usable, references = (
        tuple(
            sorted(
                (sample for sample in found if sample.subset not in problems),
                key=lambda sample: (order[sample.subset], sample.image, sample.crop or ()),
            )
        )
        for found in (reading.samples, reading.references)
    )
    listing = Listing(usable, _ignored(tree, unused), problems, base, references)
    return listing, {path: reason for path, reason in unused.items() if reason is not None}


def advice(record: DatasetRecord, root: Path) -> str:
    """What to do about a file of a data set below `root` that is missing, or not as it should be."""
    return f"put it right in {root}" if record.domain == "own" else RESTORE


def _read(record: DatasetRecord, tree: Tree) -> tuple[str, Reading]:
    """The folder of the best layout and what was read there; nothing but problems when that is not clear."""
    place = locate(record.layouts, tree, record.subset_names)
    if place is None:
        what = "it" if record.domain == "own" else "the published archive"
        message = f"no folder here looks like {what}; {RESTORE}"
    elif len(place[1]) > 1:
        message = (
            f"the data set lies here more than once ({some(place[1])}); move all but one out of {tree.root}"
        )
    else:
        layout, (base,) = place
        reading = layout.read(tree, base, record.subset_names)
        reading.reasons = (*layout.other.items(), *reading.reasons)
        return base, reading
    return "", Reading(problems=dict.fromkeys(record.subset_names, message))


def _flaw(record: DatasetRecord, subset: str, samples: Sequence[Sample], tree: Tree) -> str | None:
    """What makes a subset unusable although its layout could be read."""
    for path, reason in tree.refused.items():
        if len(record.subsets) == 1 or subset in PurePosixPath(path).parts:
            return f"{path}: {reason}"
    if not samples:
        return f"no test image found; {RESTORE}"
    if twice := [name for name, times in Counter(sample.name for sample in samples).items() if times > 1]:
        return f"listed more than once: {some(twice)}; name every image once"
    if record.has_masks and (flaw := _mask_flaw(samples)):
        return flaw
    if "image" in record.tasks and len({sample.label for sample in samples}) < 2:
        found = "normal" if samples[0].label == NORMAL else "anomalous"
        return f"all test images have one label, {found}, and image level needs both; {RESTORE}"
    return None


def _mask_flaw(samples: Sequence[Sample]) -> str | None:
    lost = [sample.name for sample in samples if sample.label == ANOMALOUS and sample.mask is None]
    if lost:
        return f"no mask, or more than one, for {some(lost)}; {RESTORE}"
    owners: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        if sample.mask is not None:
            owners[sample.mask].add(sample.image)
    for mask, images in owners.items():
        if len(images) > 1:
            return f"{mask}: the mask of {some(sorted(images))}; keep the published image only"
    return None


def _unused(tree: Tree, base: str, reading: Reading) -> dict[str, str | None]:
    """Every file to the reason why it is not used; None when it is a sample, a mask, or was consulted."""
    used = {sample.image for sample in reading.samples} | set(reading.consulted)
    masks = {sample.mask for sample in reading.samples if sample.mask is not None}
    used |= {path for mask in masks for path in mask_files(tree.root, mask)}
    apart = {path: why for mask, why in reading.apart.items() for path in mask_files(tree.root, mask)}
    return {
        path: None if path in used else apart.get(path) or _reason(path, base, reading)
        for path in tree.paths()
    }


def _ignored(tree: Tree, reasons: Mapping[str, str | None]) -> tuple[Ignored, ...]:
    """Everything that is not used, with the reason.

    A folder of which nothing is used for one and the same reason is one entry.
    """
    below: dict[str, set[str | None]] = defaultdict(set)
    for path, reason in reasons.items():
        for folder in _ancestors(path):
            below[folder].add(reason)
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path, reason in reasons.items():
        if reason is not None:
            whole = next((folder for folder in _ancestors(path) if below[folder] == {reason}), None)
            pattern = f"{path.rpartition('/')[0]}/*".lstrip("/") if whole is None else f"{whole}/"
            groups[pattern, reason].append(path)
    found = [Ignored(path, reason) for path, reason in tree.refused.items()]
    found += [Ignored(path, "left behind by a file system or a tool") for path in tree.litter]
    for (pattern, reason), paths in groups.items():
        found.append(Ignored(paths[0] if len(paths) == 1 else pattern, reason, len(paths)))
    return tuple(sorted(found))


def _ancestors(path: str) -> list[str]:
    """The folders above a file, the highest first, without the root."""
    return [folder.as_posix() for folder in reversed(PurePosixPath(path).parents)][1:]


def _reason(path: str, base: str, reading: Reading) -> str:
    if base and not path.startswith(f"{base}/"):
        return f"outside {base}, where the data set was found"
    inner = path[len(base) + 1 :] if base else path
    reasons = dict(reading.reasons)
    for pattern, reason in reasons.items():
        if pattern != "*" and fnmatchcase(inner, pattern):
            return reason
    if not is_image(path):
        if "*" in reasons:
            return reasons["*"]
        return UNREAD if is_picture(path) else "not an image"
    return apart(inner.rpartition("/")[0]) or reasons.get("*", "an image that the layout does not know")
