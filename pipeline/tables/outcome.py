"""What a run came to, and what stands on top of everything that is drawn from it.

An `Outcome` has the means of every system and the data sets that were expected. A table or figure narrows it
to the part that it stands on (`only`). The marks of that part stand on top in every format: its profile's,
and how many of its cells have no result. A method without its variants belongs to every data set of the run;
a variant only to those that it was run on, be it without success: it is not meant for each of them.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, get_args

import pandas as pd

from pipeline.catalog import PAPER, Domain, suites
from pipeline.cells import CellKey, System, by_reason
from pipeline.results import CellRow, ResultsError
from pipeline.results.parquet import cell_rows
from pipeline.tables.aggregate import SystemMeans, why_absent
from pipeline.tables.expected import Expected, division, lacking
from pipeline.tables.published import PRINTED_NAMES

PAPER_PROFILE: Final = "paper"
MAIN_TRACK: Final = "main"

_PROFILE_MARKS: Final = {
    "miniature": "MINIATURE PROFILE: drawn data and a tiny CLIP; not comparable with the paper.",
}
_SHOWN: Final = 2  # reasons
_NUMBERS: Final = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Outcome:
    """The means of a run, or of the part of it that a table or figure stands on.

    Attributes:
        profile: name of the profile.
        expected: the data sets, in table order.
        means: of every system, in the order in which they are shown.
        scores: folder of the image scores, None where there are none.
        left_out: data sets that were asked for and were not here: `missing: leave_out` in params.
    """

    profile: str
    expected: Expected
    means: Mapping[System, SystemMeans]
    scores: Path | None = None
    left_out: frozenset[str] = frozenset()

    def only(self, systems: Iterable[System], datasets: Iterable[str] | None = None) -> "Outcome":
        """The part about `systems`, in their order, on `datasets` (all when not given).

        A system that was not run is there without any mean, which says so.
        """
        means = {it: self.means.get(it) or SystemMeans(it, (), self.expected) for it in systems}
        names = self.expected if datasets is None else datasets
        return replace(self, expected={name: self.expected[name] for name in names}, means=means)

    @property
    def methods(self) -> list[System]:
        """The methods that were run, without their variants."""
        return [system for system in self.means if not system.variant]

    @property
    def tracks(self) -> dict[str, "Outcome"]:
        """The part of each track that was run; the main one, to which rows of older files belong, first."""
        found: dict[str, dict[System, SystemMeans]] = {MAIN_TRACK: {}}
        for system, own in self.means.items():
            found.setdefault(own.track or MAIN_TRACK, {})[system] = own
        return {track: replace(self, means=means) for track, means in found.items() if means}

    @property
    def main(self) -> "Outcome":
        """The part of the main track, which may be without any system."""
        return self.tracks.get(MAIN_TRACK) or replace(self, means={})

    @property
    def rows(self) -> list[CellRow]:
        """The rows of all systems, by data set, subset, method, variant and seed."""
        rows = [row for own in self.means.values() for row in own.rows]
        return sorted(rows, key=lambda row: (*row.key[:4], -1 if row.seed is None else row.seed))

    @property
    def suites(self) -> dict[str, "Outcome"]:
        """The part of each suite; the paper's, with which the user's own sets stand, is always there."""
        found = {
            suite: [name for name, it in self.expected.items() if suite in (it.suites or (PAPER,))]
            for suite in suites()
        }
        return {
            suite: self.only(self.means, names) for suite, names in found.items() if names or suite == PAPER
        }

    @property
    def divisions(self) -> dict[str, list[str]]:
        """The data sets that are averaged, by what they are called together; of a suite all or none."""
        found = {
            division(suite, domain): [name for name, it in part.expected.items() if it.domain == domain]
            for suite, part in self.suites.items()
            for domain in get_args(Domain)
            if not lacking(suite, domain, part.expected)
        }
        return {title: names for title, names in found.items() if names}

    def has_variant(self, systems: Iterable[System]) -> bool:
        """Whether a variant among `systems` was run; a method itself does not count."""
        return any(system.variant and system in self.means for system in systems)

    def title(self, system: System) -> str:
        """What a table calls it, such as `AnomalyCLIP` or `AnomalyCLIP (no_dpam)`.

        By what its method calls itself in the rows; else as the paper prints it; else by the method's name,
        which also follows a title that two methods have.
        """
        title = self._titles.get(system.method) or _printed_name(system.method)
        return f"{title} ({system.variant})" if system.variant else title

    def named(self, system: System) -> str:
        """Its title where systems of several tracks stand side by side, such as `MuSc (batch track)`."""
        track = self.means[system].track or MAIN_TRACK
        return self.title(system) if track == MAIN_TRACK else f"{self.title(system)} ({track} track)"

    def marks(self, *, short: bool = False) -> list[str]:
        """The sentences on top; `short` gives no reasons.

        The profile's, that a smoke run took few images, which data sets are not here, and which cells have no
        result.
        """
        incomplete = self._count if short else self.incomplete
        sentences = self._profile_mark, self._smoke_mark, self._left_out_mark, incomplete
        return [it for it in sentences if it is not None]

    @cached_property
    def incomplete(self) -> str | None:
        """How many cells have no result, and why; None where every cell has one."""
        if self._count is None:
            return None
        reasons = by_reason(self._absent)
        more = "; and other reasons" if len(reasons) > _SHOWN else ""
        return f"{self._count} {'; '.join(reasons[:_SHOWN])}{more}."

    @cached_property
    def _titles(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for system, own in self.means.items():
            found.setdefault(system.method, own.title or _printed_name(system.method))
        often = Counter(found.values())
        return {
            method: title if often[title] == 1 or method in PRINTED_NAMES else f"{title}, {method}"
            for method, title in found.items()
        }

    @property
    def _count(self) -> str | None:
        if not self._absent:
            return None
        return f"INCOMPLETE: {len(self._absent)} of {len(self._cells)} cells without a result."

    @cached_property
    def _absent(self) -> list[tuple[str, str]]:
        """Each cell without a result, and why it has none."""
        reasons = {
            key: "left out" if row is None and key.dataset in self.left_out else why_absent(row)
            for key, row in self._cells.items()
            if row is None or not row.is_impossible
        }
        return [
            (key._replace(seed=None).name, reason) for key, reason in reasons.items() if reason is not None
        ]

    @cached_property
    def _cells(self) -> dict[CellKey, CellRow | None]:
        """Every cell that there ought to be, with its row."""
        return {
            key: row
            for dataset in self.expected
            for system, own in self.means.items()
            if not system.variant or own.ran_on(dataset)
            for key, row in own.cells(dataset).items()
        }

    @property
    def limit(self) -> int | None:
        """Most images of each subset that a smoke run took; None where all were taken."""
        return max((row.limit for row in self.rows if row.limit is not None), default=None)

    @property
    def label(self) -> str:
        """What values are compared under: the profile, apart from its smoke runs."""
        return self.profile if self.limit is None else f"{self.profile}, limit {self.limit}"

    @property
    def _smoke_mark(self) -> str | None:
        if self.limit is None:
            return None
        return f"SMOKE RUN: at most {self.limit} images of each subset; its numbers mean nothing."

    @property
    def _left_out_mark(self) -> str | None:
        titles = [it.title for name, it in self.expected.items() if name in self.left_out]
        return f"LEFT OUT: {', '.join(titles)}: not on the machine of this run." if titles else None

    @property
    def _profile_mark(self) -> str | None:
        """What says that numbers must not be held against the paper's."""
        if self.profile == PAPER_PROFILE:
            return None
        usual = f"{self.profile.upper()} PROFILE: not comparable with the paper."
        return _PROFILE_MARKS.get(self.profile, usual)


def outcome_of(
    metrics: pd.DataFrame, expected: Expected, profile: str, scores: Path | None = None
) -> Outcome:
    """The outcome of a run.

    Args:
        metrics: rows as `pipeline.results.parquet.read_metrics` returns them, of one profile.
        expected: the data sets of the run, in table order.
        profile: its name.
        scores: folder of its image scores; one without any file counts as none.

    Raises:
        ResultsError: there is no row, one is of another profile, a cell occurs twice, or a row belongs to
            nothing that was expected.
    """
    if foreign := sorted(set(metrics["profile"]) - {profile}):
        raise ResultsError(f"results of profile {', '.join(foreign)} cannot go into the tables of {profile}")
    rows: dict[System, dict[CellKey, CellRow]] = {}
    for row in cell_rows(metrics):
        if row.dataset not in expected or row.subset not in expected[row.dataset].subsets:
            raise ResultsError(f"{row.name}: not part of this run; run `dvc repro evaluate` again")
        own = rows.setdefault(System(row.method, row.variant), {})
        if row.key in own:
            raise ResultsError(f"{row.name}: this cell occurs twice; each may have one result")
        own[row.key] = row
    if len({row.limit for own in rows.values() for row in own.values() if row.status == "ok"}) > 1:
        raise ResultsError("results of a smoke run stand beside others; run `dvc repro evaluate` again")
    if not rows:
        raise ResultsError("no results to tabulate; run `dvc repro evaluate` first")
    means = {system: SystemMeans(system, rows[system].values(), expected) for system in in_order(rows)}
    has_scores = scores is not None and any(scores.glob("*/*.parquet"))
    return Outcome(profile, expected, means, scores if has_scores else None)


def in_order(systems: Iterable[System]) -> list[System]:
    """The paper's methods in its order, then others by name; a variant after its method, 8 before 12."""
    known = list(PRINTED_NAMES)

    def place(system: System) -> tuple[int, str, list[str | int]]:
        rank = known.index(system.method) if system.method in known else len(known)
        parts = _NUMBERS.split(system.variant)
        return rank, system.method, [int(it) if it.isdigit() else it for it in parts]

    return sorted(systems, key=place)


def _printed_name(method: str) -> str:
    return PRINTED_NAMES.get(method, method)
