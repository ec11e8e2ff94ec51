"""MuSc's mutual scoring against the public code's loop, on the same features: processor time, peak memory.

    python -m benchmarks mutual --public FOLDER

FOLDER is a checkout of xrli-U/MuSc; without it ours alone is measured. Features are noise of real shapes. One
space of twelve is scored, one block's patches over 3 x 3 neighbours: all cost the same. Each side runs in a
process of its own, after its features are there; its peak is what it takes beside them.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.common import facts, table, write_section
from pipeline.methods.musc import _PRODUCT, _STRIP, _Space

SHAPES = {"20 at 518 px": (20, 37), "500 on 9 x 9": (500, 9)}
WIDTH, SIDE, SHARE = 1024, 3, 0.3


def features(images: int, grid: int) -> Tensor:
    """Noise with a common part, as patches of one kind of object have."""
    generator = torch.Generator().manual_seed(images)
    common = torch.randn(grid * grid, WIDTH, generator=generator)
    return common + torch.randn(images, grid * grid, WIDTH, generator=generator)


def _ours(raw: Tensor) -> Tensor:
    total = torch.zeros(raw.shape[:2])
    _Space(raw, SIDE, torch.device("cpu")).add_scores(total, int((len(raw) - 1) * SHARE))
    return total


def _public(folder: Path, raw: Tensor) -> Tensor:
    sys.path.insert(0, str(folder / "models" / "modules"))
    from _LNAMD import LNAMD  # type: ignore[import-not-found]
    from _MSM import MSM  # type: ignore[import-not-found]

    tokens = torch.cat([raw.new_zeros(len(raw), 1, WIDTH), raw], dim=1)
    aggregated = LNAMD("cpu", feature_dim=WIDTH, feature_layer=[1], r=SIDE)._embed([tokens])[:, :, 0]
    scores: Tensor = MSM(aggregated / aggregated.norm(dim=-1, keepdim=True), "cpu", topmin_max=SHARE)
    return scores.float()


def _measured(side: Callable[[Tensor], Tensor], images: int, grid: int) -> tuple[float, float, Tensor]:
    """Processor seconds, MiB beside the features, and the scores."""
    torch.set_num_threads(1)
    with torch.no_grad():
        raw = features(images, grid)
        side(raw[:5])
        before, began = _peak(), time.process_time()
        scores = side(raw)
    return time.process_time() - began, _peak() - before, scores


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def _alone(side: Callable[[Tensor], Tensor], images: int, grid: int) -> tuple[float, float, Tensor]:
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(_measured, side, images, grid).result()


def options(parser: argparse.ArgumentParser) -> None:
    """Where the public code is."""
    parser.add_argument("--public", type=Path)


def run(arguments: argparse.Namespace) -> None:
    """Measure and write the section."""
    rows = []
    for name, (images, grid) in SHAPES.items():
        seconds, peak, scores = _alone(_ours, images, grid)
        row = [name, f"{seconds:.1f}", f"{peak:.0f}"]
        if arguments.public:
            theirs, their_peak, public = _alone(partial(_public, arguments.public), images, grid)
            apart = float((public - scores).abs().max())
            row += [f"{theirs:.1f}", f"{their_peak:.0f}", f"{seconds / theirs:.2f}", f"{apart:.0e}"]
        rows.append([*row, *["-"] * (7 - len(row))])
    head = ["images", "ours, s", "peak MiB", "public, s", "peak MiB", "ours / public", "scores apart by"]
    note = (
        "Processor seconds of one of the twelve spaces, and the peak beside the features. For any number of "
        f"images a strip of them takes {_STRIP / 2**20:.0f} MiB and a block of similarities "
        f"{4 * _PRODUCT / 2**20:.0f} MiB; what grows is a number a patch."
    )
    write_section("mutual", "MuSc's mutual scoring", f"{note} {facts()}\n\n{table(head, rows)}")
