"""Archives to one published tree, checked, and in place by one rename.

Work in progress lies in the downloads folder under a name that no reader looks for; whatever happens before
the rename leaves nothing in the place of the data set.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from pipeline.archives import extract
from pipeline.catalog import Counts, DatasetRecord, count_problems, list_samples
from pipeline.downloads.acquire import Held
from pipeline.downloads.retries import DownloadError
from pipeline.errors import DataError, DiskFullError
from pipeline.files import sync_folder

_PACKED = frozenset({".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2", ".rar"})
_SURE = frozenset({"confirmed", "accepted"})  # other counts may be wrong themselves
_SHOWN = 3


def check(
    record: DatasetRecord, folder: Path, build: str | None = None
) -> tuple[dict[str, Counts], tuple[str, ...]]:
    """Read a tree as the published data set.

    Returns:
        Subset to (normal, anomalous) test images, and differences from what is only reported or inferred of
        the data set.

    Raises:
        DataError: it is not, or it has other counts than are confirmed for the build.
    """
    wanted = record.accepting(build)
    listing = list_samples(wanted, folder)
    problems = list(listing.problems.values())
    counts = listing.counts()
    differences = list(dict.fromkeys(count_problems(wanted, counts, wanted.expected()).values()))
    if wanted.build().status in _SURE:
        problems += differences
        differences = []
    if problems:
        more = f" (and {len(problems) - _SHOWN} more)" if len(problems) > _SHOWN else ""
        raise DataError("; ".join(problems[:_SHOWN]) + more)
    return counts, tuple(differences)


def assemble(
    record: DatasetRecord, held: Sequence[Held], staging: Path, target: Path, build: str | None = None
) -> tuple[dict[str, Counts], tuple[str, ...]]:
    """Unpack what the sources gave below `staging`, check it as `check` does, and rename it to `target`.

    Raises:
        DiskFullError: no room to unpack.
        DataError: an archive is damaged or hostile, or the result is not the data set.
    """
    shutil.rmtree(staging, ignore_errors=True)
    try:
        tree = staging / "tree"
        tree.mkdir(parents=True)
        for number, one in enumerate(held):
            _add(one, staging / f"part-{number}", tree)
        checked = check(record, tree, build)
        tree.rename(target)
        sync_folder(target.parent)
        return checked
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _add(held: Held, part: Path, tree: Path) -> None:
    """Unpack one source and move its content into the tree."""
    if held.path.is_dir():
        _copy(held.path, part)
        _unpack_inner(part)
    elif held.path.name not in held.source.volumes:
        extract(held.path, part, verified=bool(held.source.sha256 or held.source.md5))
    if held.source.keep is not None:
        _keep(part, held.source.keep)
    if held.below:
        (tree / held.below).mkdir(parents=True, exist_ok=True)
    _merge(part, tree / held.below)


def _keep(part: Path, name: str) -> None:
    """Leave only the folder `name` of what was unpacked, wherever it lies."""
    found = sorted(
        (path for path in part.rglob(name) if path.is_dir()), key=lambda path: (len(path.parts), path)
    )
    if not found:
        there = ", ".join(sorted(path.name for path in part.iterdir()))
        raise DownloadError(f"no folder {name} in the archive; it has {there}")
    aside = part.with_name(f"{part.name}-rest")
    part.rename(aside)
    part.mkdir()
    (aside / found[0].relative_to(part)).rename(part / name)
    shutil.rmtree(aside)


def _copy(folder: Path, part: Path) -> None:
    try:
        shutil.copytree(folder, part)
    except (shutil.Error, OSError) as error:
        free = shutil.disk_usage(part.parent).free
        raise DiskFullError(f"{folder}: cannot be copied ({error}); {free} bytes are free there") from None


def _unpack_inner(folder: Path) -> None:
    """Replace the archives in a folder of files by what is in them."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix.lower() in _PACKED:
            inner = path.with_name(f"{path.name}.unpacked")
            extract(path, inner)
            _merge(inner, path.parent)
            path.unlink()


def _merge(part: Path, tree: Path) -> None:
    """Move what lies in `part` into `tree`; folders may be in both, files may not."""
    if not part.exists():
        return
    for path in sorted(part.iterdir()):
        place = tree / path.name
        if path.is_dir() and place.is_dir():
            _merge(path, place)
        elif place.exists():
            raise DownloadError(f"{path.name}: two archives of the data set both have this file")
        else:
            path.rename(place)
    part.rmdir()
