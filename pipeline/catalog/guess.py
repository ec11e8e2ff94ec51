"""What kind of data set is this folder? A record for it, by looking at its names.

The rules of `guess_rules` are tried in turn. The ordinary listing decides: a rule holds when every image
finds its label and its mask.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from pipeline.catalog.guess_rules import FINDERS, NORMAL_WORDS, Rule, by_csv
from pipeline.catalog.listing import list_samples
from pipeline.catalog.record import Build, DatasetRecord, Licence, Subset
from pipeline.catalog.samples import Listing
from pipeline.catalog.tree import read_tree
from pipeline.errors import DataError

_KNOWN: Final = (
    "known are [<subset>/]test/good + [<subset>/]test/<defect> + [<subset>/]ground_truth/<defect>; "
    "images + masks; good + <defect>; and a CSV with the columns image,label[,mask][,subset][,split]"
)


@dataclass(frozen=True)
class Guess:
    """A record, and what it lists in the folder."""

    record: DatasetRecord
    listing: Listing


def guess(root: Path, name: str, normal: str | None = None) -> Guess:
    """The record of the data set in `root`.

    Args:
        root: its folder.
        name: of the record.
        normal: what normal images are called (a folder, or a label of the CSV); None tries the usual words.

    Raises:
        DataError: no rule holds; the message says what stands in the way and which layouts are known.
    """
    tree = read_tree(root)
    words = NORMAL_WORDS if normal is None else (normal.casefold(),)
    reasons: list[str] = []
    for finder in FINDERS:
        finds = list(finder(tree, words))
        for found in finds:
            if isinstance(found, str):
                reasons.append(found)
                continue
            record = _record(name, found)
            listing = list_samples(record, root)
            if not listing.problems:
                return Guess(_counted(record, listing), listing)
            reasons += listing.problems.values()
        # What looks like one layout and is broken must not pass for another; a CSV may lie there by chance.
        if reasons and (finder is not by_csv or not all(isinstance(found, str) for found in finds)):
            break
    told = "; ".join(dict.fromkeys(reasons)) or "not the layout of a data set"
    raise DataError(f"{root}: {told}; {_KNOWN}")


def _record(name: str, rule: Rule) -> DatasetRecord:
    subsets = rule.subsets or (name,)
    try:
        return DatasetRecord(
            name=name,
            title=name,
            paper_name=name,
            domain="own",
            group="own",
            modality="not stated",
            tasks=("pixel",) if rule.masks else ("image",),
            subsets=tuple(Subset(name=it, class_name=it.replace("_", " ")) for it in subsets),
            builds=(Build(name="as added", normal=None, anomalous=None, status="confirmed"),),
            layouts=(rule.layout,),
            sources=(),
            licence=Licence(name=None),
            facts_from=(),
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            f"{first['input']!r} cannot be the name of a data set or of a subset: {first['msg']}"
        ) from None


def _counted(record: DatasetRecord, listing: Listing) -> DatasetRecord:
    """With the counts that were found; image-level where every subset has both labels."""
    counts = listing.counts()
    build = Build(
        name="as added",
        normal=sum(normal for normal, _ in counts.values()),
        anomalous=sum(anomalous for _, anomalous in counts.values()),
        status="confirmed",
    )
    subsets = tuple(
        it.model_copy(update=dict(zip(("normal", "anomalous"), counts[it.name], strict=True)))
        for it in record.subsets
    )
    both = record.has_masks and all(all(pair) for pair in counts.values())
    tasks = ("image", "pixel") if both else record.tasks
    return record.model_copy(update={"builds": (build,), "subsets": subsets, "tasks": tasks})
