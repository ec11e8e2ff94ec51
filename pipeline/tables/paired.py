"""How far image metrics of two runs would move apart with another draw of the images that they share.

Both sides are drawn alike (`image_draws` with one seed), so what the runs have in common cancels. Pixel
metrics have no such pairing: their maps are not kept.
"""

from typing import Final, cast

import numpy as np
import pandas as pd

from pipeline.metrics import Draws, image_draws, standard_error

CellName = tuple[str, str, str, str]
"""Data set, subset, method, variant."""

_DRAWS: Final = 500
_CELL: Final = ["dataset", "subset", "method", "variant"]


def paired_errors(before: pd.DataFrame, after: pd.DataFrame) -> dict[tuple[CellName, str], float]:
    """Standard errors of differences in points, by cell and metric.

    Args:
        before: rows of `pipeline.results.read.read_scores`, of any number of seeds.
        after: those of the other run.

    Returns:
        What both sides have on the same images with the same labels; values are means over seeds.
    """
    groups = _by_cell(before), _by_cell(after)
    errors: dict[tuple[CellName, str], float] = {}
    for cell in groups[0].keys() & groups[1].keys():
        sides = [_by_seed(group[cell]) for group in groups]
        if not _same_images([*sides[0], *sides[1]]):
            continue
        first, second = (_mean_draws(side) for side in sides)
        for metric in first.keys() & second.keys():
            error = standard_error(second[metric] - first[metric])
            if error is not None:
                errors[cell, metric] = 100 * error
    return errors


def _by_cell(scores: pd.DataFrame) -> dict[CellName, pd.DataFrame]:
    return {cast("CellName", cell): rows for cell, rows in scores.groupby(_CELL, sort=False)}


def _by_seed(rows: pd.DataFrame) -> list[pd.DataFrame]:
    return [group for _, group in rows.groupby("seed", dropna=False)]


def _same_images(frames: list[pd.DataFrame]) -> bool:
    first, *others = ([*zip(frame["image"], frame["label"], strict=True)] for frame in frames)
    return all(other == first for other in others)


def _mean_draws(seeds: list[pd.DataFrame]) -> Draws:
    series = [_draws(seed) for seed in seeds]
    return {metric: np.mean([it[metric] for it in series], axis=0) for metric in series[0]}


def _draws(rows: pd.DataFrame) -> Draws:
    return image_draws(rows["label"].to_numpy(int), rows["score"].to_numpy(float), draws=_DRAWS)
