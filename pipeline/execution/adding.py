"""Add a folder of images as a data set: a record that says what it is, and the files in their place.

The files are linked where the file system allows it and copied where it does not; the folder stays as it is.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml

from pipeline import catalog
from pipeline.archives.staging import staged
from pipeline.catalog import DatasetRecord, Guess, own
from pipeline.catalog.tree import read_tree
from pipeline.errors import DataError
from pipeline.files import write_text

_HEADER = "# Written by `zsad datasets add`; edit what should be called otherwise.\n"


@dataclass(frozen=True)
class Added:
    """A data set that was added: its record, what is in it, and where both lie."""

    guess: Guess
    record_path: Path
    folder: Path


def add_dataset(folder: Path, name: str, normal: str | None = None) -> Added:
    """Add the images in `folder` as the data set `name`.

    Args:
        folder: left as it is.
        name: for params, files and tables.
        normal: what normal images are called, where it is none of the usual words.

    Raises:
        DataError: the name is taken, or the folder is not understood; nothing is written then.
    """
    if catalog.is_taken(name):
        raise DataError(f"{name}: there is a data set of this name; choose another with --name")
    found = catalog.guess(folder, name, normal)
    place = own.DATA / name
    with staged(place) as target:
        for file in read_tree(folder).paths():
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            _put(folder / file, target / file)
    path = catalog.own_record_path(name)
    write_text(path, _HEADER + _text(found.record))
    return Added(found, path, place)


def _put(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def _text(record: DatasetRecord) -> str:
    values = record.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)
