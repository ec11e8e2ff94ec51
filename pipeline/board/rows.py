"""Rows of another person's run against themselves, the rule, their scores and their examples.

One build a subset, one weights digest a training, no key twice, no text that is too long to print; nothing
measured on what it was tuned on; the test images of the build that is named; image metrics as the scores give
them. Each check yields a line for everything that is wrong.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

import pandas as pd

from pipeline import catalog
from pipeline.cells import CellKey, members
from pipeline.errors import ZsadError
from pipeline.metrics import image_metrics
from pipeline.results import CellRow
from pipeline.tables import ExpectedSet, Outcome
from pipeline.tables.verdicts import other_build

_LONGEST: Final = 200  # letters of what is printed
_PRINTED: Final = ("method", "variant", "title", "protocol", "build_name", "shown_by")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_DIGESTS: Final = ("build", "weights", "params", "code", "cell_key")
_NOISE: Final = 1e-9  # of float sums on another machine
# What has one value over the rows that share something: the columns, and what they share.
_ONE: Final[dict[str, tuple[tuple[str, ...], Callable[[CellRow], object]]]] = {
    "on one subset": (
        ("build", "n_images", "n_normal", "n_anomalous"),
        lambda row: (row.dataset, row.subset),
    ),
    "of one data set": (("build_name",), lambda row: row.dataset),
    "of one system": (("image_size", "params", "title", "track"), lambda row: row.key.system),
    "of one method": (("code",), lambda row: row.method),
    "of one training": (("weights",), lambda row: (row.key.system, row.seed, row.auxiliary)),
}


def unlike_themselves(rows: Iterable[CellRow]) -> Iterator[str]:
    """Digests that are none, keys that occur twice, and what ought to be one and is not."""
    done = [row for row in rows if row.status == "ok"]
    for row in done:
        for column in _DIGESTS:
            if not _DIGEST.fullmatch(str(getattr(row, column))):
                yield f"{row.name}: {column} is no SHA-256"
    keys: dict[str | None, CellRow] = {}
    for row in done:
        if (first := keys.setdefault(row.cell_key, row)) is not row:
            yield f"{row.name}: has the cell_key of {first.name}"
    for shared, (columns, of) in _ONE.items():
        groups: dict[object, list[CellRow]] = defaultdict(list)
        for row in done:
            groups[of(row)].append(row)
        for group in groups.values():
            for column in columns:
                yield from _not_one(group, column, shared)


def too_long(rows: Iterable[CellRow]) -> Iterator[str]:
    """Texts that would fill a page."""
    for row in rows:
        for column in _PRINTED:
            if len(getattr(row, column) or "") > _LONGEST:
                yield f"{row.dataset}/{row.subset}: a {column} of more than {_LONGEST} letters"


def _not_one(group: list[CellRow], column: str, shared: str) -> Iterator[str]:
    ((usual, _often),) = Counter(getattr(row, column) for row in group).most_common(1)
    odd = [row for row in group if getattr(row, column) != usual]
    if odd:
        yield f"{odd[0].name}: another {column} than the other rows {shared} ({_short(usual)})"


def _short(value: object) -> str:
    return str(value)[:12]


def against_the_rule(rows: Iterable[CellRow], outcome: Outcome) -> Iterator[str]:
    """Test images of another build than its name, and a training on what is measured."""
    for row in rows:
        tuned_on = () if row.auxiliary is None else members(row.auxiliary)
        if any(row.dataset in (name, *_holds_images_of(name)) for name in tuned_on):
            yield f"{row.name}: tuned on {row.auxiliary}, whose images it is measured on"
        if (row.auxiliary is None) != (row.seed is None) and row.status == "ok":
            yield f"{row.name}: a training has a seed and an auxiliary set, or neither"
    for own in outcome.means.values():
        for dataset, record in outcome.expected.items():
            named = next((row.build_name for row in own.rows if row.dataset == dataset), None)
            if record.build is not None and named == record.build.name:
                wrong = _unlike_build(record, own.counts(dataset))
                if wrong:
                    yield f"{own.system.name} on {dataset}: {wrong}; that is no build {named!r}"


def _unlike_build(record: ExpectedSet, counted: Mapping[str, tuple[int, int]]) -> str | None:
    """How test images differ from the build that was asked for: by subset for the paper's, else in sum."""
    if record.build is None or record.build.counts == record.total:
        return other_build(record, counted)
    total = tuple(map(sum, zip(*counted.values(), strict=True)))
    wanted = record.build.counts
    if any(want not in (None, have) for want, have in zip(wanted, total, strict=False)):
        return f"{total[0]}/{total[1]} images, not {wanted[0]}/{wanted[1]}"
    return None


def _holds_images_of(dataset: str) -> tuple[str, ...]:
    try:
        return catalog.record(dataset).holds_images_of
    except ZsadError:
        return ()


def against_scores(rows: Iterable[CellRow], scores: pd.DataFrame) -> Iterator[str]:
    """Image metrics computed again from the scores of every cell."""
    keys = ["dataset", "subset", "method", "variant", "seed"]
    found: Any = scores.groupby(keys, dropna=False, sort=False)
    groups = {_key(*key): frame for key, frame in found}
    images: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for row in rows:
        frame = groups.pop(row.key, None)
        if row.status == "failed":
            continue
        if frame is None:
            yield f"{row.name}: has no scores"
            continue
        labels, values = frame["label"].to_numpy(int), frame["score"].to_numpy(float)
        counts = (len(labels), int((labels == 0).sum()), int((labels == 1).sum()))
        if counts != (row.n_images, row.n_normal, row.n_anomalous):
            yield f"{row.name}: its scores are of {counts[0]} images ({counts[1]} normal), unlike its row"
            continue
        named = [*zip(frame["image"], frame["label"], strict=True)]
        if images.setdefault((row.dataset, row.subset), named) != named:
            yield f"{row.name}: its scores are of other images than those of other cells of the subset"
        try:
            again = asdict(image_metrics(labels, values))
        except ZsadError as error:
            yield f"{row.name}: {error}"
            continue
        yield from (
            f"{row.name}: {metric} is {_text(getattr(row, metric))}, its scores give {_text(value)}"
            for metric, value in again.items()
            if not _equal(getattr(row, metric), value)
        )
    for key in groups:
        yield f"{key.name}: has scores and no row"


def _key(dataset: str, subset: str, method: str, variant: str, seed: Any) -> CellKey:
    return CellKey(dataset, subset, method, variant, None if pd.isna(seed) else int(seed))


def _equal(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=0, abs_tol=_NOISE)


def _text(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.6f}"


def against_examples(scores: pd.DataFrame, examples: pd.DataFrame) -> Iterator[str]:
    """Every example is a scored image with that score."""
    columns = ["dataset", "subset", "method", "variant", "seed", "image", "label", "score"]
    sides = (frame[columns].fillna({"seed": -1}) for frame in (scores, examples))
    known, shown = (set(side.itertuples(index=False, name=None)) for side in sides)
    for example in sorted(shown - known):
        yield f"{example[0]}/{example[1]}: an example of {example[5]} is none of its scored images"
