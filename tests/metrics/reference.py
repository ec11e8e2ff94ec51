"""The definitions written down once more, as slowly and plainly as possible, and the maps to try them on.

Shares no code with the package: scikit-learn for ranking, a flood fill for regions, a loop over thresholds.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

Maps = npt.NDArray[np.float32]
Masks = npt.NDArray[np.bool_]

IMAGES, HEIGHT, WIDTH = 6, 30, 34


@dataclass(frozen=True)
class Reference:
    pixel_auroc: float
    pixel_ap: float
    pixel_f1_max: float
    pixel_pro: float | None
    pixel_pro_exact: float
    pixel_pro_exact_005: float
    n_regions: int


def reference(maps: Maps, masks: Masks) -> Reference:
    truth, scores = masks.ravel(), maps.ravel()
    numbers = number_regions(masks)
    return Reference(
        float(roc_auc_score(truth, scores)),
        float(average_precision_score(truth, scores)),
        f1_max(truth, scores),
        protocol(maps, numbers),
        exact_pro(maps, numbers),
        exact_pro(maps, numbers, 0.05),
        int(numbers.max()),
    )


def f1_max(truth: npt.NDArray[np.generic], scores: npt.NDArray[np.generic]) -> float:
    precision, recall, _ = precision_recall_curve(truth, scores)
    with np.errstate(invalid="ignore"):
        return float(np.nanmax(2 * precision * recall / (precision + recall)))


def flood_regions(mask: Masks) -> list[list[tuple[int, int]]]:
    """8-connected regions as lists of pixels."""
    left = set(zip(*map(list, np.nonzero(mask)), strict=True))
    regions = []
    while left:
        region, queue = [], [left.pop()]
        while queue:
            y, x = queue.pop()
            region.append((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            queue += near
        regions.append(region)
    return regions


def number_regions(masks: Masks) -> npt.NDArray[np.int64]:
    """0 on normal pixels, then 1, 2, ... over the regions of all images."""
    numbers, count = np.zeros(masks.shape, np.int64), 0
    for image, mask in enumerate(masks):
        for region in flood_regions(mask):
            count += 1
            for pixel in region:
                numbers[image][pixel] = count
    return numbers


def point(predicted: Masks, numbers: npt.NDArray[np.int64]) -> tuple[float, float]:
    """FPR and PRO of a prediction."""
    covered = np.bincount(numbers[predicted], minlength=numbers.max() + 1)
    areas = np.bincount(numbers.ravel())
    return float(covered[0] / areas[0]), float(np.mean(covered[1:] / areas[1:]))


def protocol(maps: Maps, numbers: npt.NDArray[np.int64]) -> float | None:
    """The paper's 200 thresholds; None where it has no answer."""
    low, high = maps.min(), maps.max()
    points = np.array([point(maps > t, numbers) for t in np.arange(low, high, (high - low) / 200)])
    points = points[points[:, 0] < 0.3]
    if not len(points) or np.ptp(points[:, 0]) == 0:
        return None
    x = (points[:, 0] - points[:, 0].min()) / np.ptp(points[:, 0])
    return float(sum((x[i] - x[i + 1]) * (points[i, 1] + points[i + 1, 1]) / 2 for i in range(len(x) - 1)))


def exact_pro(maps: Maps, numbers: npt.NDArray[np.int64], limit: float = 0.3) -> float:
    """A threshold at every distinct score, area up to the limit with interpolation there."""
    curve = [(0.0, 0.0), *(point(maps >= t, numbers) for t in np.unique(maps)[::-1])]
    area = 0.0
    for (x0, y0), (x1, y1) in itertools.pairwise(curve):
        if x0 < limit and x1 > x0:
            end = min(x1, limit)
            y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
            area += (end - x0) * (y0 + y_end) / 2
    return area / limit


def draw_masks(rng: np.random.Generator, share: float = 0.05) -> Masks:
    """A normal image first, then blobs; some touch at a corner only."""
    fields = np.stack([gaussian_filter(rng.normal(size=(HEIGHT, WIDTH)), 2) for _ in range(IMAGES)])
    masks: Masks = fields > np.quantile(fields, 1 - share)
    masks[0] = False
    masks[1, 3, 3] = masks[1, 4, 4] = True
    return masks


def smooth_maps(rng: np.random.Generator, masks: Masks) -> Maps:
    """Like a model's: smooth, 0 to 4, higher on defects."""
    logits = np.stack([gaussian_filter(rng.normal(size=mask.shape), 2) * 6 + mask * 1.5 for mask in masks])
    maps: Maps = (4 / (1 + np.exp(-logits))).astype(np.float32)
    return maps


def catalogue(seed: int = 0) -> dict[str, tuple[Maps, Masks]]:
    """Every kind of map that has broken somebody's metric."""
    rng = np.random.default_rng(seed)
    masks = draw_masks(rng)
    smooth = smooth_maps(rng, masks)
    outlier = smooth.copy()
    outlier[0, 0, 0] = 40
    bits = rng.integers(0, 1 << 32, smooth.shape, dtype=np.uint32).view(np.float32)
    wild = np.where(np.isfinite(bits) & (np.abs(bits) < 1e38), bits, 0).astype(np.float32)
    zeros = np.where(smooth < 1.5, np.where(rng.random(smooth.shape) < 0.5, -0.0, 0.0), smooth - 2)
    dense = draw_masks(rng, 0.4)
    return {
        "smooth": (smooth, masks),
        "narrow": ((0.48 + smooth / 100).astype(np.float32), masks),
        "ulps": ((1 + smooth * np.float32(1e-6)).astype(np.float32), masks),
        "8 bit": ((smooth * 63.75).astype(np.uint8).astype(np.float32), masks),
        "six levels": (np.round(smooth * 1.25).astype(np.float32), masks),
        "outlier": (outlier, masks),
        "skewed": (smooth**4, masks),
        "negative logits": (smooth * 50 - 120, masks),
        "tiny": ((smooth * np.float32(1e-41)).astype(np.float32), masks),
        "signed zeros": (zeros.astype(np.float32), masks),
        "wild": (wild, masks),
        "noise": (rng.normal(size=smooth.shape).astype(np.float32), masks),
        "dense": (smooth_maps(rng, dense), dense),
    }
