"""Where the data sets lie that a user brings: one record in `datasets/`, one folder in `data-own/`.

Both are folders of the project, the current directory. Such a record is like the shipped ones and is found
in the same way; its name is that of its file.
"""

from pathlib import Path

RECORDS = Path("datasets")
DATA = Path("data-own")


def own_names() -> tuple[str, ...]:
    """The names of all records of the user, sorted."""
    return tuple(sorted(path.stem for path in RECORDS.glob("*.yaml")))


def own_record_path(name: str) -> Path:
    """Where the record of a user's data set lies."""
    return RECORDS / f"{name}.yaml"
