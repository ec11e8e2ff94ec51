"""What the benchmark of the paper costs on this machine: real counts, real shapes, random weights.

    python -m benchmarks full_shape
    python -m benchmarks full_shape --device cuda

The plan is that of the paper profile with the ablations and the retuned methods; counts of images are those
of the data sets' records. On a CPU one image a tower is measured and the plan extrapolates.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.common import facts, table, write_section
from benchmarks.subjects import paper_params
from pipeline import catalog
from pipeline.execution.systems import resolve_systems
from pipeline.execution.tasks import CellTask, GroupTask, tower_spec
from pipeline.params import Params
from pipeline.plan import Group, Simulation, Subset, make_plan, simulate
from pipeline.speed import rates

WORKERS = (1, 2, 4, 8, 16, 32, 64)


def _subsets(params: Params) -> Iterator[Subset]:
    """Every subset of the evaluated data sets with its published count; unknown counts are left out."""
    for name in catalog.evaluated(params.datasets):
        for subset, (normal, anomalous) in catalog.record(name).expected().items():
            if normal is not None and anomalous is not None:
                yield Subset(name, subset, normal + anomalous)


def planned(params: Params) -> list[GroupTask]:
    """The groups of the paper profile as tasks, in the order of the plan."""
    groups, _ = make_plan(
        resolve_systems(params),
        _subsets(params),
        seeds=params.seeds,
        tuned_on=params.auxiliary.tuned_on,
        holds_images_of=lambda auxiliary: catalog.record(auxiliary).holds_images_of,
    )
    return [_task(params, group) for group in groups]


def _task(params: Params, group: Group) -> GroupTask:
    return GroupTask(
        tower=tower_spec(params, group.tower),
        dataset=group.dataset,
        subset=group.subset,
        images=group.images,
        class_name=group.subset,
        shards=Path(),
        texts=Path(),
        device=params.compute.device,
        threads=params.compute.threads,
        batch=params.compute.batch,
        cells=tuple(CellTask(cell, None, {}) for cell in group.cells),
    )


def _row(item: Simulation) -> list[str]:
    return [
        str(item.workers),
        f"{item.seconds / 3600:.3g}",
        f"{item.speedup:.1f}",
        f"{item.busy:.0%}",
        item.limit,
    ]


def measure(device: str) -> str:
    """The section."""
    cuda = device == "cuda"
    compute = {"backend": "ray", "gpus": int(cuda), "threads": 8 if cuda else 1, "batch": 8 if cuda else 1}
    tasks = planned(paper_params({"compute": compute}))
    measured = rates(tasks)
    groups = [(task.label, measured[task.tower.name].seconds(task.images, len(task.cells))) for task in tasks]
    cells, images = sum(len(task.cells) for task in tasks), sum(task.images for task in tasks)
    seconds = sum(seconds for _, seconds in groups)
    start = max(rate.start for rate in measured.values())
    speed = table(
        ["tower", "s an image", "ms an image and cell", "s a cell", "s to start", "peak GiB"],
        [
            [
                f"{name} ({next(task for task in tasks if task.tower.name == name).tower.model})",
                f"{rate.image:.3g}",
                f"{1000 * rate.score:.3g}",
                f"{rate.cell:.2g}",
                f"{rate.start:.2g}",
                f"{rate.memory / 2**30:.1f}",
            ]
            for name, rate in sorted(measured.items())
        ],
    )
    spans = table(
        ["workers", "hours", "speed-up", "busy", "limited by"],
        [_row(item) for item in simulate(groups, WORKERS, start=start)],
    )
    return (
        f"{cells} cells, {len(groups)} passes over a subset, {images} images through a tower:"
        f" {seconds / 3600:.3g} hours of one worker. That is the plan's extrapolation:"
        f" measured was one {'batch' if cuda else 'image'} a tower, after a warm one, with the cells of its"
        f" widest group; nothing was evaluated.\n\n{speed}\n\n{spans}"
    )


def options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")


def run(arguments: argparse.Namespace) -> None:
    """Measure and write the section."""
    device = arguments.device
    torch.set_num_threads(1)
    body = measure(device)
    name = "full_shape" if device == "cpu" else "full_shape_gpu"
    kind = "one thread a worker" if device == "cpu" else "one GPU a worker"
    write_section(name, f"The paper profile, {device}", f"{kind.capitalize()}. {facts(device)}\n\n{body}")
