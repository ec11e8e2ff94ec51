"""Prepare a data set: list, check, decode once, resize for every size, write shards and the manifest.

Threads share the files of a subset: Pillow decodes and resizes outside the interpreter lock. A subset that
cannot be used is recorded with its reason and the others are prepared; all bad files of a subset are named at
once.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.catalog import (
    Build,
    DatasetRecord,
    KnownCounts,
    Listing,
    Sample,
    advice,
    count_problems,
    list_samples,
)
from pipeline.catalog.builds import build_digest, build_name, subset_digest
from pipeline.errors import DataError
from pipeline.files import atomic_path
from pipeline.shards.arrays import Arrays, Done, create_arrays, fill_row
from pipeline.shards.manifest import IgnoredEntry, Manifest, SubsetEntry, manifest_path, write_manifest
from pipeline.shards.reader import INDEX, INDEX_SCHEMA, shard_digest
from pipeline.shards.references import drawn, write_references

Progress = Callable[[str, int, int], None]  # subset, images done, images in all

_OURS = re.compile(r"index\.parquet|(images|masks|references)-\d+\.npy|\..+\.tmp")
_SHOWN = 5


def prepare(  # noqa: PLR0913 - what, from where, whereto, and how much of it
    record: DatasetRecord,
    root: Path,
    out: Path,
    sizes: Sequence[int],
    expected: Mapping[str, KnownCounts] | None = None,
    *,
    limit: int | None = None,
    workers: int = 2,
    progress: Progress | None = None,
) -> Manifest:
    """Prepare the test split of a data set; what `out` held before is replaced.

    Args:
        record: the data set; its first build says how masks are read.
        root: its published tree.
        out: folder of the shards.
        sizes: resolutions S.
        expected: subset to (normal, anomalous) images, where known; None checks no counts.
        limit: most images of a subset, None for all; the counts are those of all in any case.
        workers: decoding threads.
        progress: called after each image.

    Raises:
        DataError: `root` is not there. Anything that concerns one subset is in the manifest instead.
    """
    listing = list_samples(record, root)
    problems = dict(listing.problems)
    if expected is not None:
        problems |= count_problems(record, listing.counts(), expected)
    if limit is not None:
        listing = listing.limited(limit)
    _clear(out)
    sizes = tuple(sorted(set(sizes)))
    with ThreadPoolExecutor(workers) as pool:
        job = _Job(record, root, out, sizes, listing, pool, progress)
        entries = [job.entry(subset, problems.get(subset)) for subset in record.subset_names]
    manifest = _manifest(record, listing, sizes, entries).model_copy(update={"limit": limit})
    write_manifest(out, manifest)
    return manifest


@dataclass(frozen=True)
class _Job:
    """The settings of one preparation, and the work on one subset."""

    record: DatasetRecord
    root: Path
    out: Path
    sizes: tuple[int, ...]
    listing: Listing
    pool: ThreadPoolExecutor
    progress: Progress | None

    @property
    def build(self) -> Build:
        """Says how its masks and its images of 16 bits are read."""
        return self.record.builds[0]

    def entry(self, subset: str, problem: str | None) -> SubsetEntry:
        """Write one subset and describe it, or say why it cannot be used."""
        normal, anomalous = self.listing.counts().get(subset, (None, None))
        described = SubsetEntry(
            name=subset,
            class_name=next(known.class_name for known in self.record.subsets if known.name == subset),
            normal=normal,
            anomalous=anomalous,
            masks=self.record.has_masks,
        )
        if problem is None:
            try:
                build, digests = self._write(subset)
                found = {"build": build, "digests": digests, **self._references(subset)}
                return described.model_copy(update=found)
            except DataError as error:
                problem = f"{self.record.name}/{subset}: {error}"
        return described.model_copy(update={"error": problem})

    def _references(self, subset: str) -> dict[str, object]:
        """What an entry says of reference images; a broken one is no problem of the test split."""
        chosen = drawn(self.listing, subset, self.record.name)
        try:
            written = write_references(chosen, self.root, self.out / subset, self.sizes, self.record)
        except DataError as error:
            told = f"{self.record.name}/{subset}: reference image {error}; {advice(self.record, self.root)}"
            return {"references_error": told}
        return {"references": written}

    def _write(self, subset: str) -> tuple[str, dict[int, str]]:
        """Write arrays and index of one subset; (digest of its files, size to digest of its arrays)."""
        samples = self.listing.of(subset)
        folder = self.out / subset
        with ExitStack() as stack:
            arrays = [
                create_arrays(stack, folder, size, len(samples), masks=self.record.has_masks)
                for size in self.sizes
            ]
            done = self._fill(samples, arrays)
            rows = _rows(samples, done)
            digests = {one.size: shard_digest(rows, one.images, one.masks) for one in arrays}
            for one in arrays:
                one.flush()
            _write_index(stack.enter_context(atomic_path(folder / INDEX)), rows)
        facts = {path: fact for one in done for path, fact in one.facts.items()}
        digest = subset_digest(
            samples,
            facts,
            self.listing.base,
            mask_above=self.build.mask_above,
            bit_depth=self.build.bit_depth,
        )
        return digest, digests

    def _fill(self, samples: Sequence[Sample], arrays: Sequence[Arrays]) -> list[Done]:
        """Decode every image into its row.

        Raises:
            DataError: names all files that cannot be used.
        """
        done: list[Done] = []
        broken: list[str] = []

        def work(row: int) -> Done | DataError:
            try:
                return fill_row(self.root, samples[row], row, arrays, self.record)
            except DataError as error:
                return error

        for result in self.pool.map(work, range(len(samples))):
            if isinstance(result, DataError):
                broken.append(str(result))
            else:
                done.append(result)
            if self.progress is not None:
                self.progress(samples[0].subset, len(done) + len(broken), len(samples))
        if broken:
            more = f"; and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
            raise DataError(f"{'; '.join(broken[:_SHOWN])}{more}; {advice(self.record, self.root)}")
        return done


def _rows(samples: Sequence[Sample], done: Sequence[Done]) -> list[dict[str, object]]:
    return [
        {
            "image": sample.name,
            "mask": sample.mask,
            "label": sample.label,
            "defect": sample.defect,
            "width": one.width,
            "height": one.height,
        }
        for sample, one in zip(samples, done, strict=True)
    ]


def _write_index(path: Path, rows: list[dict[str, object]]) -> None:
    table = pa.Table.from_pylist(rows, schema=INDEX_SCHEMA)
    pq.write_table(table, path, compression="zstd", store_schema=False)


def _manifest(
    record: DatasetRecord, listing: Listing, sizes: tuple[int, ...], entries: Sequence[SubsetEntry]
) -> Manifest:
    counts = listing.counts()
    usable = {entry.name: (entry.build, counts[entry.name]) for entry in entries if entry.build is not None}
    build = build_digest(usable)
    return Manifest(
        dataset=record.name,
        build=build,
        build_name=build_name(record, build, {name: counts[name] for name in usable}),
        sizes=sizes,
        subsets=tuple(entries),
        ignored=tuple(
            IgnoredEntry(path=ignored.path, reason=ignored.reason, files=ignored.files)
            for ignored in listing.ignored
        ),
    )


def _clear(out: Path) -> None:
    """Remove what an earlier preparation wrote, the manifest first; other files are left alone."""
    manifest_path(out).unlink(missing_ok=True)
    for folder in [path for path in out.glob("*") if path.is_dir() and not path.is_symlink()]:
        for path in list(folder.iterdir()):
            if _OURS.fullmatch(path.name):
                path.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()
