"""What a run was asked for, and params.yaml that says so for as long as the run lasts.

A request is a profile, some methods, some data sets. A profile is composed from `pipeline/conf` as
`dvc exp run -S profile=...` does it; without one, params.yaml is what the choice is made from. DVC reads the
params.yaml of the project and no other, so such a run borrows that file: what the user had is kept first and
put back afterwards, by the next run if this one is killed. Whoever edits params.yaml during a run keeps that
edit: only what the run itself wrote is replaced.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from pipeline import catalog, methods
from pipeline.cells import members
from pipeline.errors import BusyError, ParamsError
from pipeline.files import file_digest, only_one, read_json, write_bytes, write_json, write_text
from pipeline.params import PARAMS_FILE, Params, load_params, parse_params

CONFIG_FOLDER = Path("pipeline") / "conf"
_FOLDER = Path(".zsad") / "params"
_NOTE = _FOLDER / "borrowed.json"
_BUSY = "another run of this project is under way: wait for its end, or cancel it"


@dataclass(frozen=True)
class Request:
    """What to run; None is "as it stands". An empty choice of methods or data sets counts as none."""

    profile: str | None = None
    methods: Sequence[str] | None = None
    datasets: Sequence[str] | None = None

    @property
    def as_it_stands(self) -> bool:
        """Whether params.yaml is to be run unchanged."""
        return self.profile is None and not self.methods and not self.datasets

    def params(self) -> dict[str, Any]:
        """The values of params.yaml that this asks for, checked.

        Raises:
            ParamsError: an unknown profile, method or data set, or params that cannot be used.
        """
        values = compose(self.profile) if self.profile else load_params().model_dump(mode="json")
        if self.methods:
            _check("method", self.methods, values["methods"])
            values["methods"] = {name: values["methods"][name] for name in self.methods}
            values["variants"] = {
                name: block for name, block in values["variants"].items() if name in self.methods
            }
        if self.datasets:
            _check("data set", self.datasets, [*values["datasets"], *values["own"]])
            _narrow(values, self.datasets)
        parse_params(values, "the parameters of this run")
        return values


def profiles() -> tuple[str, ...]:
    """The profiles that `pipeline/conf` has."""
    return tuple(sorted(path.stem for path in (_config() / "profile").glob("*.yaml")))


def _config() -> Path:
    """Of the project; outside of any that of the package."""
    return CONFIG_FOLDER if CONFIG_FOLDER.is_dir() else Path(__file__).parents[1] / "conf"


def offered() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The methods and data sets that a request can name: those of params.yaml, then those of any profile."""
    every = [compose(profile) for profile in profiles()]
    with suppress(ParamsError):
        every.insert(0, load_params().model_dump(mode="json"))
    found_methods = dict.fromkeys(name for values in every for name in values["methods"])
    datasets = dict.fromkeys(name for values in every for name in (*values["datasets"], *values["own"]))
    return tuple(found_methods), catalog.evaluated(datasets)


def _check(kind: str, chosen: Sequence[str], known: Collection[str]) -> None:
    for name in chosen:
        if name not in known:
            raise ParamsError(f"this run has no {kind} {name!r}: {_next_step(kind, name, known)}")


def _next_step(kind: str, name: str, known: Collection[str]) -> str:
    """How to have a method or a data set that a run does not have."""
    if kind == "method" and name in methods.names():
        return (
            "put it under `methods` in params.yaml, as `dvc exp run -S systems=extended` does with those"
            " published since 2024, and choose no profile"
        )
    suites = catalog.suites_of(name) if kind == "data set" else ()
    if suites or (kind == "data set" and name in catalog.own_names()):
        word = f"suite={suites[0]}" if suites else f"'own=[{name}]'"
        return f"`dvc exp run -S {word}` runs it, and params.yaml has it from then on: choose no profile"
    near = get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"


def compose(profile: str) -> dict[str, Any]:
    """The values of params.yaml for a profile, whatever of it is here.

    Raises:
        ParamsError: there is no such profile, or it cannot be composed.
    """
    from hydra import compose as composed_by_hydra
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    OmegaConf.register_new_resolver("missing", lambda word: word, replace=True)
    if not profiles():
        raise ParamsError(f"{CONFIG_FOLDER} is missing: run from the root of the project")
    if profile not in profiles():
        raise ParamsError(f"{CONFIG_FOLDER} has no profile {profile!r}: it has {', '.join(profiles())}")
    try:
        with initialize_config_dir(str(_config().resolve()), version_base=None):
            composed = composed_by_hydra("config", [f"profile={profile}"])
        values: dict[str, Any] = yaml.safe_load(OmegaConf.to_yaml(composed, resolve=True))
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise ParamsError(f"{CONFIG_FOLDER}: profile {profile!r} cannot be composed: {error}") from error
    return values


def composed_params(profile: str) -> Params:
    """The params of a profile, whatever of it is here.

    Raises:
        ParamsError: see `compose`.
    """
    return parse_params(compose(profile), f"profile {profile}")


def _narrow(values: dict[str, Any], chosen: Sequence[str]) -> None:
    """Keep the `chosen` data sets and the auxiliary sets that these and those are tuned on."""
    params = parse_params(values)
    retuned = values["retuned"].values()
    wanted: set[str] = set()
    waiting = [*chosen, *params.auxiliary]
    while waiting:
        dataset = waiting.pop()
        if dataset in wanted:
            continue
        wanted.add(dataset)
        waiting += [*members(dataset), *(it["auxiliary"] for it in retuned if dataset in it["datasets"])]
    values["unions"] = [union for union in params.unions if union in wanted]
    for key in ("datasets", "own", "auxiliaries"):
        values[key] = [dataset for dataset in values[key] if dataset in wanted]
    values["builds"] = {dataset: build for dataset, build in values["builds"].items() if dataset in wanted}


@contextmanager
def borrowed_params(request: Request) -> Iterator[None]:
    """Hold the project for one run; inside, params.yaml says what `request` asks for.

    Raises:
        BusyError: another run holds it.
        ParamsError: `request` cannot be met.
        DataError: a data set that it names is not here.
    """
    with only_one(_FOLDER / "lock", _BUSY):
        _give_back()
        if request.as_it_stands:
            yield
            return
        values = request.params()
        if request.profile:
            catalog.leave_out(values, stop=values["missing"] == "stop")
        _borrow(values)
        try:
            yield
        finally:
            _give_back()


def recover() -> None:
    """Put back the params.yaml that a killed run left changed; do nothing while a run is under way."""
    with suppress(BusyError), only_one(_FOLDER / "lock", _BUSY):
        _give_back()


def _borrow(values: dict[str, Any]) -> None:
    saved = _FOLDER / f"{file_digest(PARAMS_FILE)[:16]}.yaml"
    write_bytes(saved, PARAMS_FILE.read_bytes())
    written = _FOLDER / "run.yaml"
    write_text(written, yaml.safe_dump(values, sort_keys=False))
    # The note is there before params.yaml changes, so that a kill in between can be told from an edit.
    write_json(_NOTE, {"saved": saved.name, "written": file_digest(written)})
    write_bytes(PARAMS_FILE, written.read_bytes())


def _give_back() -> None:
    try:
        note = read_json(_NOTE)
        saved, written = _FOLDER / Path(note["saved"]).name, str(note["written"])
    except FileNotFoundError:
        return
    except (ValueError, TypeError, KeyError) as error:
        raise ParamsError(
            f"{_NOTE} is damaged: the params.yaml before the run on demand is one of {_FOLDER}/*.yaml; put it"
            " back if params.yaml is not yours, then delete the note"
        ) from error
    if PARAMS_FILE.is_file() and file_digest(PARAMS_FILE) == written:
        write_bytes(PARAMS_FILE, saved.read_bytes())
        saved.unlink()
    _NOTE.unlink()
