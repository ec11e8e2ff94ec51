"""The methods by name. Importing this package does not import torch; `get` does.

A method is one module of this package whose name stands over its prompts as well: `<name>.py` and
`prompts/<name>.yaml`. Modules without prompts are helpers. `register` adds a method that lives elsewhere.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from inspect import getfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ParamsError

if TYPE_CHECKING:
    from pipeline.clip import Clip
    from pipeline.methods.base import Method

_FOLDER = Path(__file__).parent
_elsewhere: dict[str, str] = {}


def names() -> tuple[str, ...]:
    """Every known method, sorted."""
    inside = {
        path.stem for path in (_FOLDER / "prompts").glob("*.yaml") if (_FOLDER / f"{path.stem}.py").is_file()
    }
    return tuple(sorted(inside | _elsewhere.keys()))


def register(name: str, module: str) -> None:
    """Make the method `name` known, which the importable `module` defines."""
    _elsewhere[name] = module


def get(name: str) -> "type[Method]":
    """The class of a method.

    Raises:
        ParamsError: no method has that name; the message offers the nearest one.
    """
    known = names()
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ParamsError(f"unknown method {name!r}{hint} Known: {', '.join(known)}")
    from pipeline.methods.base import Method

    module = import_module(_elsewhere.get(name, f"{__name__}.{name}"))
    found = [item for item in vars(module).values() if isinstance(item, type) and issubclass(item, Method)]
    for item in found:
        if getattr(item, "name", None) == name:
            return item
    raise ParamsError(f"method {name!r}: {module.__name__} defines no class of that name")


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
    method = get(name)
    return method(method.parse(values), clip, prompts)


def source_files(name: str) -> tuple[Path, ...]:
    """The files that decide the numbers of method `name`: its class and bases, its prompts, the helpers here.

    Raises:
        ParamsError: no method has that name.
    """
    from pipeline.methods.base import Method

    kind, methods = get(name), set(names())
    classes = {Path(getfile(base)) for base in kind.__mro__ if issubclass(base, Method)}
    helpers = {path for path in _FOLDER.glob("*.py") if path.stem not in methods}
    prompts = {path for path in (_FOLDER / "prompts" / f"{name}.yaml",) if path.is_file()}
    return tuple(sorted(classes | helpers | prompts))
