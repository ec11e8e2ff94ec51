"""Records by name: the shipped ones, and those of the data sets that a user brings.

A shipped record lies in `records/` of this package. A user's own lies in `datasets/` of the project, the
current folder, is called like its file, and has its files in `data-own/<name>`; it is found in the same way.
"""

import difflib
from collections.abc import Iterable, Mapping, MutableMapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.catalog.record import DatasetRecord
from pipeline.cells import members
from pipeline.errors import DataError
from pipeline.settings import parse_yaml, read_yaml

RECORDS = Path("datasets")
DATA = Path("data-own")

PAPER = "paper"

# Each in the order of its tables' rows; the paper's is that of its Tables 1 and 2. A list is closed: what
# joins later makes a new version of the suite, so that no printed average changes.
_SUITES = {
    PAPER: (
        "mvtec", "visa", "mpdd", "btad", "sdd", "dagm", "dtd_synthetic",
        "headct", "brainmri", "br35h", "covid19",
        "isic", "cvc_colondb", "cvc_clinicdb", "kvasir", "endo", "tn3k",
    ),
    "extended-2026.12": (
        "real_iad", "mvtec_ad_2", "ksdd2", "elpv",
        "bmad_brain", "bmad_liver", "bmad_resc", "bmad_oct2017", "bmad_chest", "bmad_histopathology",
        "cvc_300",
    ),
}  # fmt: skip

_COMES_WITH_A_RUN = "`dvc repro`"

# Learnt methods are tuned on them; they are no rows of any table.
_AUXILIARY_ONLY = ("colon_auxiliary",)


def suites() -> tuple[str, ...]:
    """The names of all suites, the paper's first."""
    return tuple(_SUITES)


def names(suite: str = PAPER) -> tuple[str, ...]:
    """The data sets of a suite in the order of its tables; without a name the paper's 17."""
    return _SUITES[suite]


def suites_of(name: str) -> tuple[str, ...]:
    """The suites that a data set is in; none for the user's own and for what is only tuned on."""
    return tuple(suite for suite, members in _SUITES.items() if name in members)


def auxiliary_names() -> tuple[str, ...]:
    """The data sets that are only tuned on and never evaluated."""
    return _AUXILIARY_ONLY


def evaluated(chosen: Iterable[str]) -> tuple[str, ...]:
    """Those of `chosen` that are evaluated, in their order."""
    return tuple(name for name in chosen if name not in _AUXILIARY_ONLY)


def shipped_names() -> tuple[str, ...]:
    """All records of this package: the data sets of the suites, in their order, and what is only tuned on."""
    return (*dict.fromkeys(name for members in _SUITES.values() for name in members), *_AUXILIARY_ONLY)


def own_names() -> tuple[str, ...]:
    """The names of all records of the user, sorted."""
    return tuple(sorted(path.stem for path in RECORDS.glob("*.yaml")))


def own_record_path(name: str) -> Path:
    """Where the record of a user's data set lies."""
    return RECORDS / f"{name}.yaml"


def files_of(name: str, root: str) -> Path:
    """Where the published files of a data set lie: the user's own in `data-own`, the others below `root`."""
    return (Path(root) if name in shipped_names() else DATA) / name


def what_brings(name: str, root: str) -> str:
    """The next step to the files of a data set that are not there.

    An import brings a whole root, a file of DVC's beside the folder one data set, if it was pushed.
    """
    folder = files_of(name, root)
    if (imported := folder.parent.with_name(f"{folder.parent.name}.dvc")).is_file():
        return _COMES_WITH_A_RUN if is_import(imported) else f"`dvc pull {imported}`"
    if (tracked := folder.with_name(f"{name}.dvc")).is_file():
        return f"`dvc pull {tracked}`"
    return f"`zsad download {name}`" if name in shipped_names() else "`zsad datasets add FOLDER`"


def is_import(path: Path) -> bool:
    """Whether what a file of DVC's stands for is imported, as a part of a run.

    Raises:
        DataError: it cannot be read.
    """
    return "deps" in (read_yaml(path, DataError) or ())


def absent(names: Iterable[str], root: str) -> dict[str, str]:
    """Those of `names` whose files are not here and do not come with a run, to what brings each."""
    steps = {name: what_brings(name, root) for name in names if not files_of(name, root).is_dir()}
    return {name: step for name, step in steps.items() if step != _COMES_WITH_A_RUN}


def by_step(steps: Mapping[str, str]) -> list[str]:
    """One line a next step: which data sets it brings.

    Examples:
        >>> by_step({"sdd": "`zsad download sdd`", "visa": "`zsad download visa`"})
        ['sdd, visa: `zsad download NAME`']
    """
    found: dict[str, list[str]] = {}
    for name, step in steps.items():
        found.setdefault(step.replace(f" {name}`", " NAME`"), []).append(name)
    return [f"{', '.join(names)}: {step if names[1:] else steps[names[0]]}" for step, names in found.items()]


def leave_out(values: MutableMapping[str, Any], *, stop: bool) -> list[str]:
    """Move data sets whose files are not here from the lists of composed params to `left_out`.

    Args:
        values: of params.yaml.
        stop: refuse such data sets instead.

    Returns:
        Those that were moved.

    Raises:
        DataError: `stop`, and there are some: the message says what brings each. Or none is here.
    """
    asked = [*values["datasets"], *values["own"]]
    gone = absent(asked, values["data_root"])
    steps = "\n  ".join(by_step(gone))
    if gone and stop:
        raise DataError(
            f"{len(gone)} of the {len(asked)} data sets of the {values['profile']} profile are not here,"
            f" and nothing was started:\n  {steps}\n`-S missing=leave_out` runs what is here"
        )
    if not evaluated(name for name in asked if name not in gone):
        raise DataError(f"no data set of the {values['profile']} profile is here:\n  {steps}")
    for key in ("datasets", "own", "auxiliaries"):
        values[key] = [name for name in values[key] if name not in gone]
    values["unions"] = [union for union in values["unions"] if gone.keys().isdisjoint(members(union))]
    values["left_out"] = [*values["left_out"], *gone]
    return list(gone)


def record(name: str) -> DatasetRecord:
    """The record of a data set, shipped or the user's own, by its name or an alias, upper or lower case.

    Raises:
        DataError: no such data set; the message offers near matches. Or a record of the user's that cannot be
            used, or that is called like a shipped one.
    """
    wanted = name.casefold()
    shipped = _shipped_labels().get(wanted)
    own = {own.casefold(): own for own in own_names()}
    if wanted in own:
        if shipped is not None:
            raise DataError(f"{own_record_path(own[wanted])}: {shipped} is called so too; rename it")
        return _own(own[wanted])
    if shipped is not None:
        return _shipped(shipped)
    every = (*shipped_names(), *own.values())
    near = difflib.get_close_matches(wanted, every, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise DataError(f"unknown data set {name!r}; {hint}Known: {', '.join(every)}")


def is_taken(name: str) -> bool:
    """Whether a data set has this name or alias, upper or lower case."""
    return name.casefold() in {*_shipped_labels(), *(own.casefold() for own in own_names())}


@cache
def _shipped_labels() -> dict[str, str]:
    """Every name and alias of the shipped records, in lower case, to the name of the record."""
    return {
        label.casefold(): known
        for known in shipped_names()
        for label in (known, _shipped(known).paper_name, *_shipped(known).aliases)
    }


@cache
def _shipped(name: str) -> DatasetRecord:
    source = files("pipeline.catalog") / "records" / f"{name}.yaml"
    label = f"records/{name}.yaml"
    return _parsed(parse_yaml(source.read_text("utf-8"), label, DataError), label)


def _own(name: str) -> DatasetRecord:
    path = own_record_path(name)
    found = _parsed(read_yaml(path, DataError), str(path))
    if found.name != name:
        raise DataError(f"{path}, name: {found.name!r} differs from the name of the file; make them equal")
    if found.domain != "own":
        raise DataError(f"{path}, domain: must be `own`, so that no table of the paper averages over it")
    return found


def _parsed(values: object, source: str) -> DatasetRecord:
    try:
        return DatasetRecord.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"{source}, {where or 'record'}: {first['msg']}") from None
