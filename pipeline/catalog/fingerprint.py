"""Which build of a data set is this? A digest of the evaluated files and of how they are used.

Paths count from the folder in which the layout was found, so a wrapping folder does not change the
digest; files that are not evaluated do not matter. Two builds with one digest give the same test split.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.catalog.record import DatasetRecord
from pipeline.catalog.samples import Counts, Sample
from pipeline.files import value_digest


@dataclass(frozen=True)
class FileFact:
    """Size in bytes and SHA-256 of a file."""

    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> "FileFact":
        """The facts of a file that has been read."""
        return cls(len(content), hashlib.sha256(content).hexdigest())


def subset_digest(
    samples: Sequence[Sample],
    facts: Mapping[str, FileFact],
    base: str = "",
    *,
    mask_above: int = 0,
    bit_depth: int | None = None,
) -> str:
    """Digest of one subset: its files by content, and label, defect and crop of every image.

    Another rule of its masks than the paper's (`Build.mask_above`), or a stated bit depth, makes another one.
    """

    def inner(path: str | None) -> str | None:
        return path.removeprefix(f"{base}/") if path and base else path

    files = sorted((str(inner(path)), fact.size, fact.sha256) for path, fact in facts.items())
    uses = sorted([inner(s.image), inner(s.mask) or "", s.label, s.defect, s.crop or ()] for s in samples)
    stated = {"mask_above": mask_above, "bit_depth": bit_depth}
    rule = {key: value for key, value in stated.items() if value}
    return value_digest({"files": files, "uses": uses} | rule)


def build_digest(subsets: Mapping[str, tuple[str, Counts]]) -> str:
    """Digest of a build from the (digest, counts) of its subsets."""
    return value_digest({name: [digest, *counts] for name, (digest, counts) in subsets.items()})


def build_name(record: DatasetRecord, digest: str, counts: Mapping[str, Counts]) -> str | None:
    """The name of a known build: by digest, else by counts for a build whose digest is not recorded."""
    total = (sum(normal for normal, _ in counts.values()), sum(anomalous for _, anomalous in counts.values()))
    complete = set(counts) == set(record.subset_names)
    for build in record.builds:
        if build.digest == digest or (build.digest is None and complete and build.counts == total):
            return build.name
    return None
