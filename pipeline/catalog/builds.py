"""Which build of a data set is this, and has it as many test images as it should?

A build is known by a digest of the evaluated files and of how they are used. Paths count from the folder in
which the layout was found, so a wrapping folder does not change the digest; files that are not evaluated do
not matter. Two builds with one digest give the same test split. What counts are expected the caller says,
since the miniature has other ones than the record. Where a subset's own counts are not known, the rest of the
record's total is checked over those subsets together.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.catalog.record import Build, DatasetRecord
from pipeline.catalog.samples import Counts, KnownCounts, Sample
from pipeline.files import value_digest


def count_problems(
    record: DatasetRecord, found: Mapping[str, Counts], expected: Mapping[str, KnownCounts]
) -> dict[str, str]:
    """Subset to a message that says how its counts differ; subsets that were not found are left out.

    Args:
        record: the data set.
        found: (normal, anomalous) of each usable subset.
        expected: what they should be, where known.
    """
    advice = _advice(record, found)
    problems = {
        subset: f"{record.name}/{subset}: {difference}; {advice}"
        for subset, counts in found.items()
        if subset in expected and (difference := _difference(expected[subset], counts))
    }
    return problems | _rest_problems(record, found, expected)


def _rest_problems(
    record: DatasetRecord, found: Mapping[str, Counts], expected: Mapping[str, KnownCounts]
) -> dict[str, str]:
    """The check of the subsets without counts of their own; they must all have been found."""
    rest = [subset for subset in record.subset_names if subset not in expected]
    if not rest or not all(subset in found for subset in rest):
        return {}
    total = record.build().counts
    wanted = (
        _left(total[0], [normal for normal, _ in expected.values()]),
        _left(total[1], [anomalous for _, anomalous in expected.values()]),
    )
    have = (sum(found[subset][0] for subset in rest), sum(found[subset][1] for subset in rest))
    difference = _difference(wanted, have)
    if not difference:
        return {}
    message = f"{record.name}: {difference} over {', '.join(rest)} together; {_advice(record, found)}"
    return dict.fromkeys(rest, message)


def _left(total: int | None, parts: Iterable[int | None]) -> int | None:
    """`total` without `parts`, None where something is not known."""
    for part in parts:
        total = None if total is None or part is None else total - part
    return total


def _difference(expected: KnownCounts, found: Counts) -> str:
    pairs = zip(("normal", "anomalous"), expected, found, strict=True)
    return " and ".join(
        f"expected {want} {kind}, found {have}" for kind, want, have in pairs if want not in (None, have)
    )


def _advice(record: DatasetRecord, found: Mapping[str, Counts]) -> str:
    """What to do: another build is accepted in params, a known one by its name, any other by its counts."""
    own = record.domain == "own"
    complete = "complete it" if own else "complete it from the published archive"
    total = (sum(normal for normal, _ in found.values()), sum(anomalous for _, anomalous in found.values()))
    known = next((build.name for build in _read_alike(record) if build.counts == total), None)
    kind, build = ("unknown", f"{total[0]}/{total[1]}") if known is None else ("known", known)
    if set(found) != set(record.subset_names):
        kind = "incomplete"
    return f"{complete}, or accept this {kind} build in params with `builds: {{{record.name}: {build!r}}}`"


def _read_alike(record: DatasetRecord) -> Iterable[Build]:
    """The builds that what was read can be: the first, and those without a layout of their own."""
    first, *others = record.builds
    return (first, *(build for build in others if build.layout is None))


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
    for build in _read_alike(record):
        if build.digest == digest or (build.digest is None and complete and build.counts == total):
            return build.name
    return None
