"""Which build of a data set is this? A digest of the evaluated files and of how they are used.

Paths count from the folder in which the layout was found, so a wrapping folder does not change the
digest; files that are not evaluated do not matter. Two builds with one digest give the same test split.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.catalog.record import DatasetRecord
from pipeline.catalog.samples import Counts, Listing, Sample
from pipeline.files import file_digest, value_digest


@dataclass(frozen=True)
class FileFact:
    """Size in bytes and SHA-256 of a file."""

    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> "FileFact":
        """The facts of a file that has been read."""
        return cls(len(content), hashlib.sha256(content).hexdigest())


@dataclass(frozen=True)
class Fingerprint:
    """Digest of the build and of each of its subsets."""

    build: str
    subsets: Mapping[str, str]


def subset_digest(
    samples: Sequence[Sample], facts: Mapping[str, FileFact], base: str = "", *, mask_above: int = 0
) -> str:
    """Digest of one subset: its files by content, and label, defect and crop of every image.

    Another rule of its masks than the paper's (`Build.mask_above`) makes another digest.
    """

    def inner(path: str | None) -> str | None:
        return path.removeprefix(f"{base}/") if path and base else path

    files = sorted((str(inner(path)), fact.size, fact.sha256) for path, fact in facts.items())
    uses = sorted([inner(s.image), inner(s.mask) or "", s.label, s.defect, s.crop or ()] for s in samples)
    rule = {"mask_above": mask_above} if mask_above else {}
    return value_digest({"files": files, "uses": uses} | rule)


def build_digest(subsets: Mapping[str, tuple[str, Counts]]) -> str:
    """Digest of a build from the (digest, counts) of its subsets."""
    return value_digest({name: [digest, *counts] for name, (digest, counts) in subsets.items()})


def fingerprint(listing: Listing, root: Path) -> Fingerprint:
    """Read all files of a listing and digest them."""
    counts = listing.counts()
    digests: dict[str, str] = {}
    for subset in counts:
        samples = listing.of(subset)
        paths = {path for sample in samples for path in (sample.image, sample.mask) if path}
        facts = {path: FileFact((root / path).stat().st_size, file_digest(root / path)) for path in paths}
        digests[subset] = subset_digest(samples, facts, listing.base)
    return Fingerprint(build_digest({name: (digests[name], counts[name]) for name in counts}), digests)


def build_name(record: DatasetRecord, digest: str, counts: Mapping[str, Counts]) -> str | None:
    """The name of a known build: by digest, else by counts for a build whose digest is not recorded."""
    total = (sum(normal for normal, _ in counts.values()), sum(anomalous for _, anomalous in counts.values()))
    complete = set(counts) == set(record.subset_names)
    for build in record.builds:
        if build.digest == digest or (build.digest is None and complete and build.counts == total):
            return build.name
    return None
