"""Which sources together give a data set, in the order in which they are tried."""

from typing import TypeAlias

from pipeline.catalog import DatasetRecord, Source

Route: TypeAlias = tuple[Source, ...]


def routes(record: DatasetRecord, build: str | None = None) -> tuple[Route, ...]:
    """The ways to a build (without a name, the first) of a data set; each is complete by itself.

    Sources of parts make one route, which stands where the first of them stands.
    """
    usual, wanted = record.builds[0].name, record.build(build).name
    if wanted not in {source.build for source in record.sources}:
        wanted = usual  # another reading of the same files, or counts that the user accepts
    usable = [source for source in record.sources if source.use and (source.build or usual) == wanted]
    parts = tuple(source for source in usable if source.part is not None)
    found: list[Route] = []
    for source in usable:
        if source.part is None:
            found.append((source,))
        elif source is parts[0]:
            found.append(parts)
    return tuple(found)
