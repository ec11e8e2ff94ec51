"""Several data sets one after the other: one that fails does not stop the others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.catalog import DatasetRecord
from pipeline.downloads.acquire import remove
from pipeline.downloads.obtain import Outcome, obtain
from pipeline.downloads.routes import routes
from pipeline.downloads.store import Store
from pipeline.errors import DataError


@dataclass(frozen=True)
class Failure:
    """A data set that could not be put in its place, and why."""

    dataset: str
    error: str
    status: Literal["failed"] = "failed"


def obtain_all(
    records: Sequence[DatasetRecord], store: Store, *, builds: Mapping[str, str], keep: bool
) -> Iterator[Outcome | Failure]:
    """Obtain each data set in turn.

    Args:
        records: the data sets.
        store: where they go.
        builds: data set to the name of a build other than the first.
        keep: keep the archives that were fetched. Those put there by hand stay in any case, and those that a
            later or failed data set needs stay until it is placed.
    """
    waiting = {record.name: record for record in records}
    for record in records:
        try:
            outcome = obtain(record, store, builds.get(record.name))
        except DataError as error:
            yield Failure(record.name, str(error))
            continue
        del waiting[record.name]
        needed = {
            source.key
            for other in waiting.values()
            for route in routes(other, builds.get(other.name))
            for source in route
        }
        for held in outcome.held:
            if held.fetched and not keep and held.source.key not in needed:
                with store.lock(held.path.parent.name):
                    remove(held)
        yield outcome
