"""The systems that params ask for, each with its settings checked, and where their learnt weights lie.

An unknown name or an impossible setting makes a system that carries the reason: its cells become failed rows
and the other systems run. `weights/<profile>/<auxiliary>/` holds one safetensors file per learnt system and
seed, and `status.json`, which gives the reason of each that could not be made. Train writes, evaluate reads.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import catalog, methods
from pipeline.cells import System, members, training_stage
from pipeline.errors import DataError, ParamsError, ZsadError, redacted
from pipeline.files import file_digest, read_json, write_json
from pipeline.params import Params
from pipeline.plan import Cell, Group, Refused, ResolvedSystem, Subset, make_plan

_STATUS = "status.json"


def resolve_systems(params: Params) -> tuple[ResolvedSystem, ...]:
    """Every method, each before its variants and its retuned variants, in the order of params.

    A variant's settings stand on top of its method's; a retuned variant has its method's. A second protocol
    is a retuned variant by the name of its set, of every learnt method.

    Raises:
        ParamsError: a data set that the catalog does not know by this name, a variant of a method that params
            do not name, or a block under `retuned` that cannot be.
    """
    for key in ("datasets", "own", "left_out"):
        _check_known(f"params.yaml: {key}", getattr(params, key))
    _check_retuned(params)
    if strangers := sorted(set(params.variants) - set(params.methods)):
        raise ParamsError(f"params.yaml: variants.{strangers[0]}: there is no such key under `methods`")
    resolved = []
    for method, raw in params.methods.items():
        plain = _resolve(params, System(method), raw)
        resolved.append(plain)
        for variant, changes in params.variants.get(method, {}).items():
            other = _resolve(params, System(method, variant), _merged(raw, changes))
            resolved.append(_shots_share_weights(plain, other))
        resolved.extend(_retuned(params, plain))
        resolved.extend(_other_protocols(params, plain))
    return tuple(resolved)


def plan_cells(
    params: Params, systems: Iterable[ResolvedSystem], subsets: Iterable[Subset]
) -> tuple[list[Group], list[Refused]]:
    """`make_plan` of `systems` on `subsets` by the seeds, protocols and auxiliary sets of `params`."""
    return make_plan(
        systems,
        subsets,
        seeds=params.seeds,
        tuned_on=params.tuned_on,
        holds_images_of=lambda auxiliary: catalog.record(auxiliary).holds_images_of,
    )


def _resolve(params: Params, system: System, raw: dict[str, Any]) -> ResolvedSystem:
    from pipeline.methods.base import LearntSettings  # late, as torch comes with it

    unusable = ResolvedSystem(system)
    try:
        method_type = methods.get(system.method)
        unusable = ResolvedSystem(
            system, method_type.title, learnt=method_type.learnt, track=method_type.track
        )
        settings = method_type.parse(raw)
        if isinstance(settings, LearntSettings):
            sets = (name for auxiliary in settings.tuned_otherwise_on for name in members(auxiliary))
            _check_known(f"methods.{system.method}", sets)
        if settings.tower not in params.towers:
            raise ParamsError(f"methods.{system.method}.tower: {settings.tower!r} is not under `towers`")
    except ParamsError as error:
        where = f"variants.{system.method}.{system.variant}: " if system.variant else ""
        return replace(unusable, error=f"params.yaml: {where}{error}")
    learnt = isinstance(settings, LearntSettings) and settings.learns
    return replace(unusable, tower=settings.tower, learnt=learnt, settings=settings.model_dump(mode="json"))


def _shots_share_weights(plain: ResolvedSystem, variant: ResolvedSystem) -> ResolvedSystem:
    """`variant`, with the weights of its method where it is one of the few-shot track that is tuned alike."""
    from pipeline.methods.base import LearntSettings  # late, as torch comes with it
    from pipeline.methods.few_shot import FewShotMethod

    if not (plain.learnt and variant.learnt and plain.track == FewShotMethod.track):
        return variant
    kind = methods.get(plain.system.method).Settings
    unread = kind.scoring_only if issubclass(kind, LearntSettings) else frozenset()
    tuned = [{key: it.settings[key] for key in it.settings.keys() - unread} for it in (plain, variant)]
    return replace(variant, weights_of=plain.system) if tuned[0] == tuned[1] else variant


def trained_on(params: Params, resolved: ResolvedSystem) -> tuple[str, ...]:
    """The sets that a system is tuned on: its own choice, or all of the common rule.

    Empty where nothing is learnt, or the weights are those of another system.
    """
    if not resolved.learnt or resolved.weights_of is not None:
        return ()
    return (resolved.auxiliary,) if resolved.auxiliary else params.auxiliary


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`changes` on top of `base`, key by key in nested blocks too."""
    both = {
        key: _merged(base[key], value)
        for key, value in changes.items()
        if isinstance(value, dict) and isinstance(base.get(key), dict)
    }
    return base | changes | both


def _retuned(params: Params, plain: ResolvedSystem) -> Iterator[ResolvedSystem]:
    """The method `plain` as every block under `retuned` that names it has it."""
    method = plain.system.method
    for variant, block in params.retuned.items():
        if method in block.methods:
            system = System(method, variant)
            yield replace(
                plain, system=system, protocol="own", auxiliary=block.auxiliary, datasets=block.datasets
            )


def _other_protocols(params: Params, plain: ResolvedSystem) -> Iterator[ResolvedSystem]:
    """The learnt method `plain` under every further protocol, where that differs from the first.

    On the auxiliary sets themselves all protocols are one. What is learnt there is what `plain` learns.
    """
    if not plain.learnt:
        return
    tuned_on = {name for auxiliary in params.auxiliary for name in members(auxiliary)}
    datasets = tuple(name for name in params.every_dataset if name not in tuned_on)
    for name in params.protocols[1:]:
        yield replace(
            plain,
            system=System(plain.system.method, name),
            protocol=name,
            auxiliary=name,
            weights_of=plain.system,
            datasets=datasets,
        )


def _check_known(where: str, names: Iterable[str]) -> None:
    """Refuse names of data sets that would never be met: unknown ones, and aliases."""
    for name in names:
        try:
            known = catalog.record(name).name
        except DataError as error:
            raise ParamsError(f"{where}: {error}") from error
        if name != known:
            raise ParamsError(f"{where}: {name!r} is called {known!r} here")


def _check_retuned(params: Params) -> None:
    for variant, block in params.retuned.items():
        where = f"params.yaml: retuned.{variant}"
        _check_known(where, (*members(block.auxiliary), *block.datasets))
        for method in block.methods:
            try:
                learnt = methods.get(method).learnt
            except ParamsError as error:
                raise ParamsError(f"{where}: {error}") from error
            if not learnt:
                raise ParamsError(f"{where}: {method!r} learns nothing and cannot be tuned; take it out")
            if variant in params.variants.get(method, {}):
                raise ParamsError(f"{where}: variants.{method} has this name too; rename one of them")
    for name in params.protocols[1:]:
        for key, blocks in {"retuned": params.retuned, **_variants_by_key(params)}.items():
            if name in blocks:
                raise ParamsError(f"params.yaml: {key}.{name}: protocol `both` has this name; rename it")


def _variants_by_key(params: Params) -> dict[str, dict[str, Any]]:
    return {f"variants.{method}": blocks for method, blocks in params.variants.items()}


def weights_name(system: System, seed: int) -> str:
    """File name of the weights of a learnt system: `anomalyclip-seed111.safetensors`."""
    label = f"{system.method}.{system.variant}" if system.variant else system.method
    return f"{label}-seed{seed}.safetensors"


def clear_weights(folder: Path) -> None:
    """Remove what an earlier training wrote into `folder`; other files are left alone."""
    for path in [*folder.glob("*-seed*.safetensors"), *folder.glob("*-seed*.history.json"), folder / _STATUS]:
        path.unlink(missing_ok=True)


def write_status(folder: Path, failed: dict[str, str]) -> None:
    """Record which weights could not be made: file name to reason."""
    write_json(folder / _STATUS, {"failed": {name: redacted(reason) for name, reason in failed.items()}})


def read_status(folder: Path) -> dict[str, str]:
    """What `write_status` recorded; empty when nothing failed or nothing was trained."""
    path = folder / _STATUS
    try:
        match read_json(path):
            case {"failed": dict(failed)}:
                return {str(name): str(reason) for name, reason in failed.items()}
    except FileNotFoundError:
        return {}
    except ValueError:
        pass
    raise ZsadError(f"{path} is damaged: run `dvc repro --force {training_stage(folder.name)}`")


class WeightsShelf:
    """Finds the weights of cells; reads every file and status once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._status: dict[str, dict[str, str]] = {}
        self._digests: dict[Path, str] = {}

    def find(self, cell: Cell) -> tuple[Path, str] | tuple[None, None]:
        """The file of the weights of `cell` and the SHA-256 of its content; None for both where it has none.

        Raises:
            ZsadError: they are not there; the message says why.
        """
        auxiliary, seed, system = cell.auxiliary, cell.key.seed, cell.resolved.weights_of or cell.key.system
        if auxiliary is None or seed is None:
            return None, None
        folder, name = self._root / auxiliary, weights_name(system, seed)
        status = self._status.setdefault(auxiliary, read_status(folder))
        if name in status:
            raise ZsadError(f"{system.name} could not be tuned on {auxiliary}: {status[name]}")
        path = folder / name
        if not path.is_file():
            raise ZsadError(f"{path} is missing: run `dvc repro {training_stage(auxiliary)}`")
        if path not in self._digests:
            self._digests[path] = file_digest(path)
        return path, self._digests[path]
