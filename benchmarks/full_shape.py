"""What the benchmark of the paper costs on this machine: real counts, real shapes, random weights.

    python -m benchmarks full_shape
    python -m benchmarks full_shape --device cuda

The plan is that of the paper profile with the ablations and the retuned methods; counts of images are those
of the data sets' records, and subsets whose count is not known share what the set's total leaves. On a CPU
one image a tower is measured and the plan extrapolates.
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import torch

from benchmarks.common import facts, table, write_section
from benchmarks.subjects import paper_params
from pipeline.execution.tasks import GroupTask
from pipeline.params import Params
from pipeline.plan import Rates, Simulation, simulate
from pipeline.price import measurable, price
from pipeline.speed import costs, rates

WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_BATCH = 8  # images in a pass, as the profile has them: ranges are of whole batches


def planned(params: Params) -> list[GroupTask]:
    """The groups of the paper profile as tasks, in the order of the plan."""
    return list(measurable(price(params), params, params.compute))


def _row(whole: Simulation, cut: Simulation, pieces: int) -> list[str]:
    return [
        str(cut.workers),
        f"{whole.seconds / 3600:.3g}",
        f"{whole.speedup:.1f}",
        str(pieces),
        f"{cut.seconds / 3600:.3g}",
        f"{cut.speedup:.1f}",
        f"{cut.busy:.0%}",
        cut.limit,
    ]


def _simulated(tasks: list[GroupTask], measured: Mapping[str, Rates]) -> str:
    """Clusters by the plan's model, with whole groups and with ranges, as a run cuts them."""
    start = max(rate.start for rate in measured.values())
    whole = costs(tasks, measured)
    pieces = partial(costs, [replace(task, batch=_BATCH) for task in tasks], measured)
    rows = [
        _row(*both, len(pieces(both[1].workers)))
        for both in zip(
            simulate(lambda _: whole, WORKERS, start=start),
            simulate(pieces, WORKERS, start=start),
            strict=True,
        )
    ]
    head = ["workers", "whole groups, h", "speed-up", "pieces", "ranges, h", "speed-up", "busy", "limited by"]
    return table(head, rows)


def measure(device: str) -> str:
    """The section."""
    cuda = device == "cuda"
    compute = {"backend": "ray", "gpus": int(cuda), "threads": 8 if cuda else 1, "batch": 8 if cuda else 1}
    tasks = planned(paper_params({"compute": compute}))
    return section(tasks, rates(tasks), "batch" if cuda else "image")


def section(tasks: list[GroupTask], measured: Mapping[str, Rates], unit: str) -> str:
    """What the plan makes of `measured` rates, those of one `unit` a tower."""
    groups = costs(tasks, measured)
    cells, images = sum(len(task.cells) for task in tasks), sum(task.images for task in tasks)
    seconds = sum(seconds for _, seconds in groups)
    speed = table(
        [
            "tower",
            "s an image",
            "ms an image and cell",
            "and its pixels",
            "s a cell",
            "s a part",
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
                f"{rate.part:.2g}",
                f"{rate.start:.2g}",
                f"{rate.memory / 2**30:.1f}",
            ]
            for name, rate in sorted(measured.items())
        ],
    )
    return (
        f"{cells} cells, {len(groups)} passes over a subset, {images} images through a tower:"
        f" {seconds / 3600:.3g} hours of one worker. That is the plan's extrapolation:"
        f" measured was one {unit} a tower, after a warm one, with the cells of its widest group; nothing was"
        f" evaluated.\n\n{speed}\n\nSimulated at these rates, not run; ranges are whole batches of {_BATCH}."
        f" The time of adding up parts is in it.\n\n{_simulated(tasks, measured)}"
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
