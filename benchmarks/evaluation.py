"""End-to-end evaluation at miniature shapes against the scheme of the published code: same images, weights.

    python -m benchmarks evaluation

That scheme, in our own words: one method after the other, each with a tower pass of its own, one image at a
time; SciPy smooths every map; all maps are kept; then AUROC of scikit-learn and PRO over 200 thresholds,
each of which cuts the whole volume and labels every mask anew (`official_two` of benchmarks.metrics). It
runs as it is, in one process with two threads for torch and NumPy, and once more spread over two processes
of one thread, as zsad runs here. Starting processes and loading towers is left out. Below stands how far the
metrics of every cell move with lower precision in the image blocks; TF32 keeps the bits of float16, but only
on a GPU.
"""

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from statistics import fmean

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from sklearn.metrics import average_precision_score, roc_auc_score
from threadpoolctl import threadpool_limits

from benchmarks.common import add_rounds, facts, interleaved, table, write_section
from benchmarks.metrics import official_two
from benchmarks.miniature import miniature_params, project, tasks
from pipeline import methods
from pipeline.clip import Clip, TowerSpec, load_clip
from pipeline.clip.spec import Precision
from pipeline.execution.scoring import score_group
from pipeline.execution.tasks import CellTask, GroupTask
from pipeline.methods.base import LearntMethod
from pipeline.results import METRICS, CellResult
from pipeline.shards import open_subset
from pipeline.training import load_checkpoint

WORKERS = 2
PRECISIONS: tuple[Precision, ...] = ("bfloat16", "float16")
Values = dict[tuple[str, str], float]


@cache
def _clip(tower: TowerSpec) -> Clip:
    return load_clip(tower)


def published_scheme(group: GroupTask, threads: int = 1) -> Values:
    """Every cell of a group by itself: values by cell key and metric."""
    torch.set_num_threads(threads)
    values: Values = {}
    with torch.inference_mode(), threadpool_limits(threads, "blas"):
        for cell in group.cells:
            values |= {(cell.content_key, metric): value for metric, value in _one_cell(group, cell).items()}
    return values


def _one_cell(group: GroupTask, cell: CellTask) -> dict[str, float]:
    """One method on one subset, image by image."""
    shard = open_subset(group.shards, group.subset, group.tower.image_size)
    sigma = float(cell.cell.resolved.settings.get("sigma", 0))
    settings = {key: 0.0 if key == "sigma" else value for key, value in cell.cell.resolved.settings.items()}
    method = methods.build(cell.cell.key.method, settings, _clip(group.tower))
    if isinstance(method, LearntMethod) and cell.weights:
        method.load_state(_learnt(group, cell))
    text = method.text_features(group.class_name)
    scores, maps = [], []
    for row in range(len(shard)):
        image = torch.from_numpy(np.array(shard.images[row : row + 1]))
        result = method.score(method.clip.encode_image(image, method.taps), text)
        scores.append(float(result.image[0]))
        maps.append(gaussian_filter(result.maps[0].numpy(), sigma))
    values: dict[str, float] = {}
    if len(set(shard.labels.tolist())) == 2:
        values["image_auroc"] = float(roc_auc_score(shard.labels, scores))
        values["image_ap"] = float(average_precision_score(shard.labels, scores))
    masks = shard.masks(0, len(shard))
    if masks is not None:
        pixel = official_two(np.stack(maps), masks)
        values |= {name: value for name, value in pixel.items() if value is not None}
    return values


def _learnt(group: GroupTask, cell: CellTask) -> dict[str, torch.Tensor]:
    """The learnt weights; a checkpoint is loaded under the settings that it was saved with."""
    method = methods.build(cell.cell.key.method, cell.cell.resolved.settings, _clip(group.tower))
    if not isinstance(method, LearntMethod) or cell.weights is None:
        raise TypeError(cell.cell.key.name)
    load_checkpoint(cell.weights, method)
    return method.state()


def _values(results: Sequence[CellResult]) -> Values:
    """Metrics of finished cells, by key and name."""
    if failed := [result.row.error for result in results if result.row.error]:
        raise SystemExit(f"a cell failed: {failed[0]}")
    return {
        (str(result.row.cell_key), metric): value
        for result in results
        for metric in METRICS
        if (value := getattr(result.row, metric)) is not None
    }


def ours(group: GroupTask) -> Values:
    """All cells of a group from one pass."""
    return _values(score_group(group))


def on(
    pool: ProcessPoolExecutor, scheme: Callable[[GroupTask], Values], groups: Sequence[GroupTask]
) -> Values:
    """All groups on the workers of `pool`."""
    return {place: value for values in pool.map(scheme, groups) for place, value in values.items()}


def _agreement(ours: Values, other: Values) -> str:
    """Largest distance of metrics that both have, in points."""
    worst: dict[str, float] = {}
    for (key, metric), value in other.items():
        if (key, metric) in ours:
            worst[metric] = max(worst.get(metric, 0.0), 100 * abs(value - ours[key, metric]))
    return ", ".join(f"{metric} {distance:.2g}" for metric, distance in sorted(worst.items()))


def _precisions(reference: Sequence[GroupTask], values: Values) -> str:
    """What a lower precision moves, in points: mean and largest over all cells, by metric."""
    rows = []
    for precision in PRECISIONS:
        moved = {
            metric: moves for metric in METRICS if (moves := _moves(reference, values, precision, metric))
        }
        rows += [
            [f"{precision}, {what}", *(f"{of(moves):.2g}" for moves in moved.values())]
            for what, of in (("mean", fmean), ("largest", max))
        ]
    return table(["points that a cell moves by", *moved], rows)


@cache
def _lower(precision: Precision) -> tuple[list[GroupTask], Values]:
    groups = tasks(miniature_params(precision))
    return groups, {place: value for group in groups for place, value in ours(group).items()}


def _moves(reference: Sequence[GroupTask], values: Values, precision: Precision, metric: str) -> list[float]:
    """Of every cell that has the metric; keys differ, so cells are paired by their place."""
    groups, lower = _lower(precision)
    pairs = [
        ((cell.content_key, metric), (other.content_key, metric))
        for group, changed in zip(reference, groups, strict=True)
        for cell, other in zip(group.cells, changed.cells, strict=True)
    ]
    return [100 * abs(values[one] - lower[two]) for one, two in pairs if one in values and two in lower]


def measure(rounds: int) -> str:
    """The section; inside a project."""
    groups = tasks(miniature_params())
    values: Values = {}
    other: Values = {}
    with (
        ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as alone,
        ProcessPoolExecutor(max_workers=WORKERS, mp_context=get_context("spawn")) as pool,
    ):
        for workers in (alone, pool, pool):
            on(workers, ours, groups)  # loads the towers
        as_it_is = partial(published_scheme, threads=WORKERS)
        seconds = interleaved(
            {
                "published scheme, one process": lambda: on(alone, as_it_is, groups),
                "published scheme, two processes": lambda: other.update(on(pool, published_scheme, groups)),
                "zsad, two processes": lambda: values.update(on(pool, ours, groups)),
            },
            rounds,
        )
    one, two, quick = seconds.values()
    rows = [[name, f"{value:.2f}", f"{value / quick:.1f}"] for name, value in seconds.items()]
    cells, images = sum(len(group.cells) for group in groups), sum(group.images for group in groups)
    return (
        f"{cells} cells of six methods in {len(groups)} groups, {images} images through a tower once:"
        f" {one / quick:.1f} times as fast as the scheme as it is, {two / quick:.1f} times as fast as the"
        " scheme given two processes.\n\n"
        + table(["on two cores", "seconds", "times zsad"], rows)
        + f"\n\n- Largest distance between both, in points: {_agreement(values, other)}.\n\n"
        + f"The {cells} cells with lower precision in the image blocks:\n\n{_precisions(groups, values)}"
    )


def options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    add_rounds(parser, 3)


def run(arguments: argparse.Namespace) -> None:
    """Measure and write the section."""
    with project():
        body = measure(arguments.rounds)
    words = f"Medians of {arguments.rounds} interleaved rounds. {facts()}"
    write_section("evaluation", "Evaluation against the published scheme", f"{words}\n\n{body}")
