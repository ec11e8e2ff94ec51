"""From a folder on disk to the samples of the test split, with a reason for every file left aside.

Finds the layout, lets it read, then applies the rules that hold for every data set: a subset with a
refused file, a lost mask or a class without images is a problem of that subset, and the others are read.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from pipeline.catalog.layouts import Reading, locate
from pipeline.catalog.record import DatasetRecord
from pipeline.catalog.samples import ANOMALOUS, Ignored, Listing, Sample
from pipeline.catalog.tree import Tree, is_image, read_tree, some


def list_samples(record: DatasetRecord, root: Path) -> Listing:
    """List the test split of a data set as published under `root`.

    Raises:
        DataError: `root` is not a folder.
    """
    tree = read_tree(root)
    base, reading = _read(record, tree)
    problems: dict[str, str] = {}
    for subset in record.subset_names:
        samples = [sample for sample in reading.samples if sample.subset == subset]
        if message := reading.problems.get(subset) or _flaw(record, subset, samples, tree):
            problems[subset] = f"{record.name}/{subset}: {message}"
    order = {subset: position for position, subset in enumerate(record.subset_names)}
    usable = [sample for sample in reading.samples if sample.subset not in problems]
    usable.sort(key=lambda sample: (order[sample.subset], sample.image, sample.crop or ()))
    return Listing(
        samples=tuple(usable),
        ignored=_ignored(tree, base, reading),
        problems=problems,
        base=base,
    )


def _read(record: DatasetRecord, tree: Tree) -> tuple[str, Reading]:
    """The folder of the best layout and what was read there; nothing but problems when that is not clear."""
    place = locate(record.layouts, tree, record.subset_names)
    if place is None:
        message = "no folder here looks like the published archive; see `zsad datasets` for its layout"
    elif len(place[1]) > 1:
        message = f"the data set lies here more than once ({some(place[1])}); keep one copy"
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
        return "no test image found; restore the folder from the published archive"
    if twice := [name for name, times in Counter(sample.name for sample in samples).items() if times > 1]:
        return f"listed more than once: {some(twice)}; name every image once"
    if record.has_masks and (flaw := _mask_flaw(samples)):
        return flaw
    if "image" in record.tasks and len({sample.label for sample in samples}) < 2:
        return "all test images have one label; restore the others from the published archive"
    return None


def _mask_flaw(samples: Sequence[Sample]) -> str | None:
    lost = [sample.name for sample in samples if sample.label == ANOMALOUS and sample.mask is None]
    if lost:
        return f"no mask, or more than one, for {some(lost)}; restore the masks from the published archive"
    owners: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        if sample.mask is not None:
            owners[sample.mask].add(sample.image)
    for mask, images in owners.items():
        if len(images) > 1:
            return f"{mask}: the mask of {some(sorted(images))}; keep the published image only"
    return None


def _ignored(tree: Tree, base: str, reading: Reading) -> tuple[Ignored, ...]:
    """Everything that is no sample, no mask and was not consulted, with the reason.

    A folder of which nothing is used for one and the same reason is one entry.
    """
    used = {path for sample in reading.samples for path in (sample.image, sample.mask)}
    used |= set(reading.consulted)
    reasons = {path: None if path in used else _reason(path, base, reading) for path in tree.paths()}
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
    for pattern, reason in reading.reasons:
        if fnmatchcase(inner, pattern):
            return reason
    return "an image that the layout does not know" if is_image(path) else "not an image"
