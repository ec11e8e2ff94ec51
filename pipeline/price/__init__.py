"""What a whole profile costs, before anything of it is here: no data, no weights, no network.

Images are counted by the catalog's records, cells and passes by the plan, disk by the sizes of archives and
the shapes of arrays. Operations of a tower follow from its shapes (`towers`), and with them hours on
named GPUs, an estimate: peak rates are those of the makers' data sheets, `_SHARE` of them is reached, and
what the processor does meanwhile is added. A machine's own hours come from measured rates (`pipeline.speed`).
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline import catalog, process
from pipeline.cells import members
from pipeline.clip.weights import find_weights
from pipeline.datasets import expected_counts, to_download
from pipeline.errors import ParamsError
from pipeline.execution.systems import plan_cells, resolve_systems
from pipeline.execution.tasks import CellTask, GroupTask, tower_spec
from pipeline.params import ComputeParams, Params
from pipeline.plan import Group, Rates, Subset, makespan
from pipeline.price.towers import STEP_IMAGES, TowerCost, tower_costs

_PREPARE_SECONDS = 0.04  # an image, decoded and resized; benchmarks/RESULTS.md
_COUNT_SECONDS = 0.0002  # a map of 518 px, counted on the GPU; benchmarks/device.py
_FINISH_SECONDS = 0.116  # metrics and intervals of a cell on the processor; likewise
_STEP_SECONDS = 0.02  # of a step at least: a GPU waits for the launches of many small kernels
_SHARE = {"float32": 0.5, "tf32": 0.4, "bfloat16": 0.4, "float16": 0.4}  # of the peak


@dataclass(frozen=True)
class Device:
    """A GPU by its data sheet: 10^12 operations a second in float32, in TF32 and in 16 bits, dense."""

    name: str
    float32: float
    tf32: float
    half: float

    def rate(self, precision: str) -> float:
        """Operations a second that are expected of a tower's pass."""
        peaks = {"float32": self.float32, "tf32": self.tf32}
        return 1e12 * _SHARE[precision] * peaks.get(precision, self.half)


DEVICES = (
    Device("H100 SXM 80 GB", 67, 495, 989),
    Device("A100 40 GB", 19.5, 156, 312),
    Device("RTX 4090 24 GB", 82.6, 82.6, 165),
    Device("T4 16 GB", 8.1, 8.1, 65),
)


@dataclass(frozen=True)
class Price:
    """See the fields; bytes and seconds. `unknown` says in words what was counted as nothing, or shared out.

    Attributes:
        images: test images, each once.
        maps: of an image and a cell, each counted for its metrics.
        download: bytes of the archives whose sizes are known, of all data sets.
        features: bytes of the largest auxiliary set's features, which lie on disk while it is tuned on, or of
            the largest subset's, while a method of the batch track scores it.
        gpu_memory: bytes that one GPU needs, about.
        groups: tower, images and cells of each pass, longest first.
        missing: data sets whose files are not here, and towers without weights, to what brings them.
    """

    profile: str
    datasets: tuple[str, ...]
    subsets: int
    images: int
    unknown: tuple[str, ...]
    cells: int
    maps: int
    trainings: int
    download: int
    prepared: int
    features: int
    gpu_memory: int
    towers: dict[str, TowerCost]
    groups: tuple[Group, ...]
    missing: dict[str, str]

    @property
    def steps(self) -> int:
        """Steps of all trainings."""
        return sum(tower.steps for tower in self.towers.values())

    @property
    def _processor(self) -> float:
        return _PREPARE_SECONDS * self.images

    @property
    def estimates(self) -> dict[str, float]:
        """Seconds on one GPU of each kind."""
        return {device.name: self._on(device) for device in DEVICES}

    def _on(self, device: Device) -> float:
        towers = sum(
            it.flop * it.passes / device.rate(it.precision)
            + sum((*it.own.values(), *it.tuning.values())) / device.rate("float32")
            for it in self.towers.values()
        )
        metrics = _COUNT_SECONDS * self.maps + _FINISH_SECONDS * self.cells
        return self._processor + towers + metrics + _STEP_SECONDS * self.steps

    def here(self, rates: Mapping[str, Rates], groups: Iterable[float], workers: int) -> float:
        """Seconds on this machine, at measured rates of every tower; tuning has one worker.

        Args:
            rates: of every tower.
            groups: expected seconds of the groups and ranges (`pipeline.speed.costs`).
            workers: that share them.
        """
        tuning = sum(
            rates[name].image
            * (tower.tuned + STEP_IMAGES * tower.steps + sum(tower.tuning.values()) / tower.flop)
            for name, tower in self.towers.items()
            if tower.tuned
        )
        start = max((rate.start for rate in rates.values()), default=0.0)
        return self._processor + tuning + start + makespan(groups, workers)

    def plain(self) -> dict[str, Any]:
        """All of it for programs; of the groups their number."""
        values = {name: value for name, value in asdict(self).items() if name != "groups"}
        estimates = {name: round(seconds) for name, seconds in self.estimates.items()}
        return values | {"passes": len(self.groups), "steps": self.steps, "seconds_estimated": estimates}


def price(params: Params) -> Price:
    """Price of everything that `params` ask for, from the download to the last cell.

    Raises:
        ZsadError: params that cannot be run.
    """
    counted = {name: count_images(params, name) for name in params.every_dataset}
    images = {name: sum(subsets.values()) for name, (subsets, _) in counted.items()}
    systems = [it for it in resolve_systems(params) if not it.error]
    evaluated = catalog.evaluated(params.every_dataset)
    subsets = [
        Subset(name, subset, count) for name in evaluated for subset, count in counted[name][0].items()
    ]
    groups, refused = plan_cells(params, systems, subsets)
    if refused:
        raise ParamsError(f"params.yaml: {refused[0][1]}")
    tuned_on = {union: sum(images[name] for name in members(union)) for union in params.unions} | images
    towers, features, trainings = tower_costs(params, systems, groups, tuned_on)
    sizes, unsized = _archives(params)
    images_at_once = 1 if params.compute.fitted_to else params.compute.most_images
    return Price(
        profile=params.profile,
        datasets=evaluated,
        subsets=sum(len(counted[name][0]) for name in evaluated),
        images=sum(images[name] for name in evaluated),
        unknown=(*(note for _, note in counted.values() if note), *unsized),
        cells=sum(len(group.cells) for group in groups),
        maps=sum(
            group.images * len(group.cells) for group in groups if catalog.record(group.dataset).has_masks
        ),
        trainings=trainings,
        download=sizes,
        prepared=sum(_prepared_bytes(params, name, count) for name, count in images.items()),
        features=features,
        gpu_memory=max((it.weights + images_at_once * it.memory for it in towers.values()), default=0),
        towers=towers,
        groups=tuple(groups),
        missing=_missing(params),
    )


def here(compute: ComputeParams) -> tuple[ComputeParams, str]:
    """What of `compute` this machine can give, and what it is called: without a GPU its processor."""
    import torch

    found, cores = torch.cuda.device_count(), process.processors()
    if compute.gpus and found:
        gpus = min(compute.gpus, found)
        name = torch.cuda.get_device_name(0)
        return compute.model_copy(update={"gpus": gpus}), f"this machine, {gpus} of {name}"
    without = {"gpus": 0, "threads": min(compute.threads, cores)}
    return (
        compute.model_copy(update=without | ({"batch": 1} if compute.fitted_to else {})),
        f"this machine, {cores} cores{' and no GPU' if compute.gpus else ''}",
    )


def measurable(priced: Price, params: Params, compute: ComputeParams) -> Iterator[GroupTask]:
    """Groups of a profile as a worker of `compute` gets them, for `pipeline.speed.rates`; nothing is read."""
    for group in priced.groups:
        record = catalog.record(group.dataset).accepting(params.builds.get(group.dataset))
        subsets = {it.name: it.class_name for it in record.subsets}
        yield GroupTask(
            tower=tower_spec(params, group.tower),
            dataset=group.dataset,
            subset=group.subset,
            images=group.images,
            masks=catalog.record(group.dataset).has_masks,
            class_name=subsets[group.subset],
            shards=params.shards / group.dataset,
            device=compute.device,
            threads=compute.threads,
            batch=compute.most_images,
            fitted_to=compute.fitted_to,
            cells=tuple(CellTask(cell, None, {}) for cell in group.cells),
        )


def count_images(params: Params, dataset: str) -> tuple[dict[str, int], str]:
    """Subset to its images, and in words what of it is not known.

    Where a subset's own count is not known, the rest of the data set's total is shared out.
    """
    record = catalog.record(dataset).accepting(params.builds.get(dataset))
    known = expected_counts(params, dataset)
    found = {name: sum(count or 0 for count in known[name]) for name in record.subset_names if name in known}
    rest = [name for name in record.subset_names if name not in known]
    total = record.build().counts
    if rest:
        left = max(0, sum(count or 0 for count in total) - sum(found.values()))
        shares = [left // len(rest) + (place < left % len(rest)) for place in range(len(rest))]
        found |= dict(zip(rest, shares, strict=True))
    note = ""
    if None in [count for counts in (*known.values(), *([total] if rest else [])) for count in counts]:
        note = f"{dataset}: counted {sum(found.values())} images, not known how many more there are"
    elif rest:
        note = f"{dataset}: {left} images over {len(rest)} subsets whose own counts are not known"
    most = params.limit or sys.maxsize
    return {name: min(found[name], most) for name in record.subset_names}, note


def _archives(params: Params) -> tuple[int, list[str]]:
    """Bytes of the archives of all data sets that are published, and whose sizes are not known."""
    names = [name for name in params.datasets if params.counts is None]
    archives = {name: to_download(catalog.record(name), params.builds.get(name)) for name in names}
    unsized = [name for name, sources in archives.items() if catalog.known_bytes(sources) is None]
    notes = [f"size of the archives of {', '.join(unsized)}"] if unsized else []
    shared = {source.key: source.size or 0 for sources in archives.values() for source in sources or ()}
    return sum(shared.values()), notes


def _missing(params: Params) -> dict[str, str]:
    """Data sets and towers of which nothing is here, to what brings them."""
    found = {
        name: catalog.what_brings(name, params.data_root)
        for name in params.every_dataset
        if not catalog.files_of(name, params.data_root).is_dir()
    }
    for name, tower in params.towers.items():
        if find_weights(tower.model, tower.weights) is None:
            found[f"weights of the tower {name}"] = "`zsad download --weights`"
    return found


def _prepared_bytes(params: Params, dataset: str, images: int) -> int:
    masks = catalog.record(dataset).has_masks
    return images * sum(3 * size**2 + (-(-(size**2) // 8) if masks else 0) for size in params.sizes())
