"""Does a data set on disk have as many test images as it should?

The caller says what is expected, since the miniature has other counts than the record. Where a subset's
own counts are not known, the rest of the record's total is checked over those subsets together.
"""

from collections.abc import Iterable, Mapping

from pipeline.catalog.record import DatasetRecord
from pipeline.catalog.samples import Counts, KnownCounts


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
    known = next((build.name for build in record.builds if build.counts == total), None)
    kind, build = ("unknown", f"{total[0]}/{total[1]}") if known is None else ("known", known)
    if set(found) != set(record.subset_names):
        kind = "incomplete"
    return f"{complete}, or accept this {kind} build in params with `builds: {{{record.name}: {build!r}}}`"
