"""`params.yaml` as frozen, validated records.

Decides what a run may ask for and gives every bad key one message that names it. A method's own settings stay
raw here, because only the method knows them: a bad one costs that method's cells and no others.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from pipeline import process
from pipeline.cells import UNION, members
from pipeline.errors import ParamsError
from pipeline.files import read_json
from pipeline.settings import SettingsRecord, patches_per_side, read_yaml

WORKER_BYTES = 1 << 30  # torch, a small tower and a batch; a large tower needs more
PARAMS_FILE = Path("params.yaml")

BOTH_PROTOCOLS = "both"

_MOST_IMAGES = 65536  # a pass of more fits no memory
_AUTO_IMAGES = 256  # a GPU is busy with fewer

# Names become file names and DVC stage names.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_]*$")]
_SETS = r"^[a-z0-9][a-z0-9_]*(\+[a-z0-9][a-z0-9_]*)"
Union = Annotated[str, StringConstraints(pattern=f"{_SETS}+$")]  # data sets that are tuned on as one
Auxiliary = Annotated[str, StringConstraints(pattern=f"{_SETS}*$")]  # a data set, or a union
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**32)]  # what every random generator takes
MethodName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]  # as rows have them
VariantName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.+-]*$")]


class TowerParams(SettingsRecord):
    """One frozen CLIP at one resolution; see `pipeline.clip.spec.TowerSpec`."""

    model: str
    weights: str
    image_size: int = Field(gt=0, le=4096)  # the attention of more patches fits no memory
    position: Literal["bilinear", "bicubic", "native"]
    activation: Literal["quickgelu", "gelu"]
    precision: Literal["float32", "tf32", "bfloat16", "float16"] = "float32"

    @model_validator(mode="after")
    def _whole_patches(self) -> "TowerParams":
        if (patch := _patch(self.model)) is not None:
            patches_per_side(self.image_size, patch)
        return self


class RetunedParams(SettingsRecord):
    """A variant of methods that differs in what they are tuned on alone (paper, Table 3).

    Of `methods` and `datasets` those count that the run has.
    """

    auxiliary: Auxiliary
    methods: tuple[str, ...] = Field(min_length=1)
    datasets: tuple[Name, ...] = Field(min_length=1)


class ComputeParams(SettingsRecord):
    """Where cells run. Nothing here moves a number beyond float noise, so none of it is in a cell's key."""

    backend: Literal["ray", "serial"]
    cpus: int | None = Field(default=None, gt=0, le=65536)  # None: all that this process may use
    gpus: int = Field(default=0, ge=0, le=1024)  # no cluster of one job has more
    workers_per_gpu: int = Field(default=1, gt=0, le=64)  # more get no share worth having
    threads: int = Field(default=1, gt=0, le=1024)  # of torch, in each worker; no machine has more
    batch: int | Literal["auto"] = 16  # images in a pass; auto: what the memory of a GPU holds
    retries: int = Field(default=3, ge=0, le=100)  # of a group whose worker died; more hide a fault
    time_limit: float | None = Field(default=None, gt=0, le=31_536_000)  # seconds of a group; None: any

    @field_validator("batch", mode="before")
    @classmethod
    def _is_a_batch(cls, value: Any) -> Any:
        if value != "auto" and not (type(value) is int and 0 < value <= _MOST_IMAGES):
            raise ValueError(f"a whole number from 1 to {_MOST_IMAGES} is meant, or auto")
        return value

    @model_validator(mode="after")
    def _fits_a_gpu(self) -> "ComputeParams":
        if self.batch == "auto" and not self.gpus:
            raise ValueError("batch: auto is by the memory of a GPU; give a number where gpus is 0")
        return self

    @model_validator(mode="after")
    def _enforceable(self) -> "ComputeParams":
        if self.time_limit is not None and self.backend == "serial":
            raise ValueError("time_limit: only the ray backend can end a group; take it, or no limit")
        return self

    @property
    def device(self) -> str:
        """The torch device of a worker."""
        return "cuda" if self.gpus else "cpu"

    @property
    def most_images(self) -> int:
        """Images that go through a tower at once, at most."""
        return _AUTO_IMAGES if self.batch == "auto" else self.batch

    @property
    def fitted_to(self) -> float | None:
        """Share of a GPU that `most_images` are cut down to; None: they are to go through as they are."""
        return 1 / self.workers_per_gpu if self.batch == "auto" else None

    @property
    def workers(self) -> int:
        """How many groups run at the same time."""
        if self.backend == "serial":
            return 1
        by_cpu = max(1, (self.cpus or _room()) // self.threads)
        return self.gpus * self.workers_per_gpu or by_cpu


class Params(SettingsRecord):
    """All of `params.yaml`."""

    profile: Name
    data_root: str
    counts: str | None  # a YAML file of expected counts; None: the counts of the catalog's records
    builds: dict[Name, str] = Field(default_factory=dict)  # which known build, where not the paper's
    datasets: tuple[Name, ...] = Field(min_length=1)  # to prepare; the catalog says which are never evaluated
    own: tuple[Name, ...] = ()  # data sets that the user brought, evaluated too
    missing: Literal["stop", "leave_out"] = "stop"  # read by `dvc exp run`: see pipeline/conf/config.yaml
    limit: int | None = Field(default=None, ge=2)  # images a subset of a smoke run; 1 has no second label
    left_out: tuple[Name, ...] = ()  # asked for, but their files were not there
    auxiliaries: tuple[Name, ...]
    unions: tuple[Union, ...] = ()  # what is tuned on too: several data sets as one, whichever they are
    auxiliary: tuple[Auxiliary, ...] = Field(min_length=1, max_length=2)  # of every learnt method
    protocol: Auxiliary  # which of them is for all data sets; the other is for that one; or `both`
    seeds: tuple[Seed, ...] = Field(min_length=1)
    towers: dict[Name, TowerParams] = Field(min_length=1)
    methods: dict[MethodName, dict[str, Any]] = Field(min_length=1)
    variants: dict[MethodName, dict[VariantName, dict[str, Any]]] = Field(default_factory=dict)
    retuned: dict[VariantName, RetunedParams] = Field(default_factory=dict)
    compute: ComputeParams

    @field_validator("auxiliary", mode="before")
    @classmethod
    def _is_a_list(cls, value: Any) -> Any:
        if isinstance(value, dict):  # as params of 0.1 had it
            raise ValueError(
                "a list is meant, such as [mvtec, visa]; `protocol` says which of them is for all"
            )
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "Params":
        every = (*self.every_dataset, *self.left_out)
        lists = {
            "datasets": every,
            "auxiliary": self.auxiliary,
            "auxiliaries": self.auxiliaries,
            "unions": [frozenset(members(union)) for union in self.unions],
            **{f"unions: {union}": members(union) for union in self.unions},
            "seeds": self.seeds,
        }
        for key, values in lists.items():
            if len(set(values)) != len(values):
                raise ValueError(f"{key}: an entry stands there twice")
        if strangers := sorted(set(self.builds) - {*self.every_dataset, *self.left_out}):
            raise ValueError(f"builds: {strangers[0]!r} is not among `datasets`")
        if self.protocol not in (*self.auxiliary, BOTH_PROTOCOLS):
            known = ", ".join((*self.auxiliary, BOTH_PROTOCOLS))
            raise ValueError(f"protocol: {self.protocol!r} is not among `auxiliary`; it can be {known}")
        needed = dict.fromkeys(self.auxiliary, "auxiliary")
        for variant, block in self.retuned.items():
            if set(block.datasets) & set(self.datasets):
                needed.setdefault(block.auxiliary, f"retuned.{variant}")
        if missing := sorted(it for it in needed if it not in self.trained_on and not self.leaves_out(it)):
            key = "unions" if UNION in missing[0] else "auxiliaries"
            raise ValueError(f"{key}: {missing[0]!r} is missing; `{needed[missing[0]]}` asks for it")
        if missing := sorted({name for it in self.trained_on for name in members(it)} - set(self.datasets)):
            raise ValueError(f"datasets: the auxiliary set {missing[0]!r} is missing; it has to be prepared")
        return self

    @property
    def trained_on(self) -> tuple[str, ...]:
        """All auxiliary sets that there is a training on, unions last."""
        return (*self.auxiliaries, *self.unions)

    @property
    def every_dataset(self) -> tuple[str, ...]:
        """All data sets to prepare, the user's own last."""
        return (*self.datasets, *self.own)

    def leaves_out(self, auxiliary: str) -> bool:
        """Whether files of an auxiliary set are not here, and the run goes on without it."""
        return not set(self.left_out).isdisjoint(members(auxiliary))

    @property
    def protocols(self) -> tuple[str, ...]:
        """The protocols to run: the first is that of the methods themselves, by the set tuned on for all."""
        return self.auxiliary if self.protocol == BOTH_PROTOCOLS else (self.protocol,)

    def tuned_on(self, dataset: str) -> str:
        """The auxiliary set for an evaluation on `dataset`, by the first protocol (paper section 4.1)."""
        usual, *others = sorted(self.auxiliary, key=lambda name: name != self.protocols[0])
        return others[0] if dataset in members(usual) and others else usual

    @property
    def shards(self) -> Path:
        """Folder of the prepared data sets."""
        return Path("shards") / self.profile

    @property
    def weights(self) -> Path:
        """Folder of what the learnt methods learnt, one folder an auxiliary set."""
        return Path("weights") / self.profile

    @property
    def results(self) -> Path:
        """Folder of metrics, scores and tables."""
        return Path("results") / self.profile

    def sizes(self) -> tuple[int, ...]:
        """The resolutions that the towers read, ascending."""
        return tuple(sorted({tower.image_size for tower in self.towers.values()}))


def _room() -> int:
    """Processors that this process may use, as far as its memory has room for a worker on each."""
    return max(1, min(process.processors(), process.memory() // WORKER_BYTES))


def _patch(model: str) -> int | None:
    """Side of a model's patches by its config, None where there is none: loading the tower says why."""
    if model.endswith(".json"):
        path = Path(model)
    else:
        spec = find_spec("open_clip")  # its folder; the package itself takes seconds to import
        folders = spec.submodule_search_locations if spec else None
        path = Path(next(iter(folders or ("",)))) / "model_configs" / f"{model}.json"
    try:
        config = read_json(path)
        patch = config.get("model_cfg", config)["vision_cfg"]["patch_size"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return patch if isinstance(patch, int) and patch > 0 else None


def _explain(error: ValidationError, source: str) -> str:
    """One line a bad key: where it stands, what is wrong with it."""
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        message = item["msg"].removeprefix("Value error, ")
        lines.append(f"{source}: {key}: {message}" if key else f"{source}: {message}")
    return "\n".join(lines)


def parse_params(values: Any, source: str = str(PARAMS_FILE)) -> Params:
    """Check parsed YAML against the record.

    Raises:
        ParamsError: one line a bad key, each naming the key.
    """
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise ParamsError(_explain(error, source)) from error


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read and check `params.yaml`.

    Raises:
        ParamsError: the file is missing, is not YAML, or has a bad key.
        OSError: the machine cannot read it now.
    """
    try:
        values = read_yaml(path, ParamsError)
    except FileNotFoundError as error:
        raise ParamsError(f"{path} is missing: run from the root of the project") from error
    return parse_params(values, str(path))
