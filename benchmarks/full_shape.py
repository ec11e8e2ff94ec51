"""What the benchmark of the paper costs on this machine: real counts, real shapes, random weights.

    python -m benchmarks full_shape
    python -m benchmarks full_shape --device cuda

The plan is that of the paper profile with the ablations and the retuned methods; counts of images are those
of the data sets' records, and subsets whose count is not known share what the set's total leaves. On a CPU
one image a tower is measured and the plan extrapolates.
"""

import argparse

import torch

from benchmarks.common import facts, table, write_section
from benchmarks.subjects import paper_params
from pipeline.execution.tasks import GroupTask
from pipeline.params import Params
from pipeline.plan import Simulation, simulate
from pipeline.price import measurable, price
from pipeline.speed import costs, rates

WORKERS = (1, 2, 4, 8, 16, 32, 64)


def planned(params: Params) -> list[GroupTask]:
    """The groups of the paper profile as tasks, in the order of the plan."""
    return list(measurable(price(params), params, params.compute))


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
    groups = costs(tasks, measured)
    cells, images = sum(len(task.cells) for task in tasks), sum(task.images for task in tasks)
    seconds = sum(seconds for _, seconds in groups)
    start = max(rate.start for rate in measured.values())
    speed = table(
        [
            "tower",
            "s an image",
            "ms an image and cell",
            "and its pixels",
            "s a cell",
            "s to start",
            "peak GiB",
        ],
        [
            [
                f"{name} ({next(task for task in tasks if task.tower.name == name).tower.model})",
                f"{rate.image:.3g}",
                f"{1000 * rate.score:.3g}",
                f"{1000 * rate.pixels:.3g}",
                f"{rate.cell + rate.finish:.2g}",
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
