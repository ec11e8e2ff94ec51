"""The methods and variants that params ask for, with their settings checked one by one.

An unknown name or an impossible setting makes an entry that carries the reason: its cells become failed rows
and the other entries run.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline import catalog, methods
from pipeline.errors import ParamsError
from pipeline.params import Params
from pipeline.plan import Entry


@dataclass(frozen=True)
class Resolved:
    """An entry with its complete settings, defaults included; empty where the entry carries an error."""

    entry: Entry
    settings: dict[str, Any] = field(default_factory=dict)


def _resolve(params: Params, method: str, variant: str, raw: dict[str, Any]) -> Resolved:
    from pipeline.methods.base import LearntSettings  # late, as torch comes with it

    learnt = False
    try:
        method_type = methods.get(method)
        learnt = method_type.learnt
        settings = method_type.parse(raw)
        if settings.tower not in params.towers:
            raise ParamsError(f"methods.{method}.tower: {settings.tower!r} is not under `towers`")
    except ParamsError as error:
        reason = f"params.yaml: {f'variants.{method}.{variant}: ' if variant else ''}{error}"
        return Resolved(Entry(method, variant, tower="", learnt=learnt, error=reason))
    learnt = isinstance(settings, LearntSettings) and settings.learns
    entry = Entry(method, variant, settings.tower, learnt)
    return Resolved(entry, settings.model_dump(mode="json"))


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`changes` on top of `base`, key by key in nested blocks too."""
    both = {
        key: _merged(base[key], value)
        for key, value in changes.items()
        if isinstance(value, dict) and isinstance(base.get(key), dict)
    }
    return base | changes | both


def resolve_entries(params: Params) -> tuple[Resolved, ...]:
    """One entry a method, then one a variant and a retuned variant of it, in the order of params.

    A variant's settings stand on top of its method's; a retuned variant has its method's.

    Raises:
        ParamsError: a variant of a method that params do not name, or a block under `retuned` that names
            something unknown.
        DataError: a data set under `retuned` that the catalog does not know.
    """
    _check_retuned(params)
    if strangers := sorted(set(params.variants) - set(params.methods)):
        raise ParamsError(f"params.yaml: variants.{strangers[0]}: there is no such key under `methods`")
    resolved = []
    for method, raw in params.methods.items():
        plain = _resolve(params, method, "", raw)
        resolved.append(plain)
        for variant, changes in params.variants.get(method, {}).items():
            resolved.append(_resolve(params, method, variant, _merged(raw, changes)))
        resolved.extend(_retuned(params, plain))
    return tuple(resolved)


def _retuned(params: Params, plain: Resolved) -> Iterator[Resolved]:
    """The method `plain` as every block under `retuned` that names it has it."""
    for variant, block in params.retuned.items():
        if plain.entry.method in block.methods:
            entry = replace(plain.entry, variant=variant, auxiliary=block.auxiliary, datasets=block.datasets)
            yield replace(plain, entry=entry)


def _check_retuned(params: Params) -> None:
    for variant, block in params.retuned.items():
        where = f"params.yaml: retuned.{variant}"
        for name in (block.auxiliary, *block.datasets):
            catalog.record(name)
        for method in block.methods:
            try:
                learnt = methods.get(method).learnt
            except ParamsError as error:
                raise ParamsError(f"{where}: {error}") from error
            if not learnt:
                raise ParamsError(f"{where}: {method!r} learns nothing and cannot be tuned; take it out")
            if variant in params.variants.get(method, {}):
                raise ParamsError(f"{where}: variants.{method} has this name too; rename one of them")
