"""The methods by name. Importing this package does not import torch; `get` does.

A method is one module of this package, `<name>.py`; its prompts, if it has any, are `prompts/<name>.yaml`.
`_HELPERS` are the modules that are no methods. A method of another installed package is found by its entry
point in the group `zsad.methods`: its name and its class.
"""

import sys
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from inspect import getfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ParamsError

if TYPE_CHECKING:
    from pipeline.clip import Clip
    from pipeline.methods.base import Method

GROUP = "zsad.methods"
"""The group of entry points in which another package names its methods."""

_FOLDER = Path(__file__).parent
_HELPERS = frozenset(
    {
        "__init__",
        "augment",
        "auxiliary",
        "base",
        "bayes_pfl_parts",
        "batch",
        "few_shot",
        "layers",
        "losses",
        "prompt_data",
        "prompt_flow",
        "prompt_learner",
        "readout",
        "text_ensemble",
    }
)
_COMPILED = "__pycache__"


def names() -> tuple[str, ...]:
    """Every known method, sorted."""
    return tuple(sorted(_inside() | {point.name for point in _points(tuple(sys.path))}))


@cache  # 20 ms of reading every package's file, and every cell asks for its method
def _points(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:  # noqa: ARG001 - the packages lie there
    """The entry points of all packages on `sys.path`, which is `path`."""
    return tuple(entry_points(group=GROUP))


def _inside() -> set[str]:
    return {path.stem for path in _FOLDER.glob("*.py")} - _HELPERS


def get(name: str) -> "type[Method]":
    """The class of a method.

    Raises:
        ParamsError: no method has that name, and the message offers the nearest one; or the package that
            brings it is broken, and the message names it.
    """
    known = names()
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ParamsError(f"unknown method {name!r}{hint} Known: {', '.join(known)}")
    if point := _plug_in(name):
        return _loaded(point)
    from pipeline.methods.base import Method

    module = import_module(f"{__name__}.{name}")
    for item in vars(module).values():
        if isinstance(item, type) and issubclass(item, Method) and getattr(item, "name", None) == name:
            return item
    raise ParamsError(f"method {name!r}: {module.__name__} defines no class of that name")


def origin(name: str) -> str:
    """The package that a method is from, such as `zsad` or `lab 1.2`."""
    return _package(point) if (point := _plug_in(name)) else "zsad"


def _plug_in(name: str) -> EntryPoint | None:
    """The entry point of a method of another package; None where this package has the method."""
    points = [point for point in _points(tuple(sys.path)) if point.name == name]
    owners = [*(["zsad"] if name in _inside() else []), *map(_package, points)]
    if len(owners) > 1:
        raise ParamsError(f"method {name!r} comes from {' and '.join(owners)}; uninstall all but one")
    return points[0] if points else None


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"


def _loaded(point: EntryPoint) -> "type[Method]":
    from pipeline.methods.base import Method

    source = f"method {point.name!r} of {_package(point)}"
    try:
        found = point.load()
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        raise ParamsError(f"{source}: {point.value} cannot be loaded ({problem}); repair it") from error
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise ParamsError(f"{source}: {point.value} is no subclass of pipeline.methods.base.Method")
    if getattr(found, "name", None) != point.name:
        raise ParamsError(f"{source}: the class attribute `name` of {point.value} must be {point.name!r}")
    return found


def build(name: str, values: Mapping[str, Any], clip: "Clip", prompts: Path | None = None) -> "Method":
    """A method with settings as they stand in `params.yaml`, on a loaded tower.

    Args:
        name: Of the method.
        values: Its settings.
        clip: Its tower.
        prompts: File of prompts in the form of the published ones; None takes those.

    Raises:
        ParamsError: the name is unknown, a setting is unknown or impossible (the message names its key), or
            the prompts cannot be read.
    """
    from pipeline.methods.base import LearntMethod

    kind = get(name)
    method = kind(kind.parse(values), clip, prompts)
    if isinstance(method, LearntMethod):
        method.trainable().eval()
    return method


def source_files(name: str) -> tuple[Path, ...]:
    """The files that decide the numbers of method `name`: its class and bases, its prompts, the helpers here.

    Of a method of another package, every file of that package.

    Raises:
        ParamsError: no method has that name.
    """
    from pipeline.methods.base import Method

    kind, inside = get(name), _inside()
    bases = [base for base in kind.__mro__ if issubclass(base, Method)]
    classes = {Path(getfile(base)) for base in bases}
    helpers = {path for path in _FOLDER.glob("*.py") if path.stem not in inside}
    named = (_FOLDER / "prompts" / f"{getattr(base, 'name', '')}.yaml" for base in bases)
    prompts = {path for path in named if path.is_file()}
    own = set() if name in inside else _package_files(kind)
    return tuple(sorted(classes | helpers | prompts | own))


def _package_files(kind: "type[Method]") -> set[Path]:
    """Every file of the package that defines `kind`; of a lone module, that file."""
    top = import_module(kind.__module__.partition(".")[0])
    folders = [Path(folder) for folder in getattr(top, "__path__", ())]
    files = (path for folder in folders for path in folder.rglob("*") if _COMPILED not in path.parts)
    return {path for path in files if path.is_file()}
