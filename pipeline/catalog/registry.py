"""Records by name. A data set is known when its YAML file lies in `records/`."""

import difflib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import yaml
from pydantic import ValidationError

from pipeline.catalog.record import DatasetRecord
from pipeline.errors import DataError

# The order of the rows in Tables 1 and 2 of the paper.
_ORDER = (
    "mvtec", "visa", "mpdd", "btad", "sdd", "dagm", "dtd_synthetic",
    "headct", "brainmri", "br35h", "covid19",
    "isic", "cvc_colondb", "cvc_clinicdb", "kvasir", "endo", "tn3k",
)  # fmt: skip

# Learnt methods are tuned on them; they are no rows of any table.
_AUXILIARY_ONLY = ("colon_auxiliary",)


def names() -> tuple[str, ...]:
    """The 17 data sets in the order of the paper's tables."""
    return _ORDER


def auxiliary_names() -> tuple[str, ...]:
    """The data sets that are only tuned on and never evaluated."""
    return _AUXILIARY_ONLY


def evaluated(chosen: Iterable[str]) -> tuple[str, ...]:
    """Those of `chosen` that are evaluated, in their order."""
    return tuple(name for name in chosen if name not in _AUXILIARY_ONLY)


def record(name: str) -> DatasetRecord:
    """The record of a data set, by its name or an alias, upper or lower case.

    Raises:
        DataError: no such data set; the message offers near matches.
    """
    wanted = name.casefold()
    every = (*_ORDER, *_AUXILIARY_ONLY)
    for known in every:
        entry = _load(known)
        if wanted in {label.casefold() for label in (known, entry.paper_name, *entry.aliases)}:
            return entry
    near = difflib.get_close_matches(wanted, every, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise DataError(f"unknown data set {name!r}; {hint}Known: {', '.join(every)}")


@cache
def _load(name: str) -> DatasetRecord:
    source = files("pipeline.catalog") / "records" / f"{name}.yaml"
    try:
        return DatasetRecord.model_validate(yaml.load(source.read_text("utf-8"), Loader=yaml.CSafeLoader))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"records/{name}.yaml, {where or 'record'}: {first['msg']}") from None
