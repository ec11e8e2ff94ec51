"""How far two trainings of one learnt method are known to differ, metric by metric.

Subsets: the paper against the authors' log of their released checkpoint, AnomalyCLIP on MVTec AD and VisA
(`published/appendix`). The image AUROC of its 27 subsets differs by 0.71 points (standard deviation), the
image AP of the 12 that have one by 0.68: two trainings each, so divided by sqrt(2).
Data sets: image AUROC, image AP and pixel AUROC of public retrainings (`thirdparty_reruns.csv`) stay within
one point of the paper, taken as 95 % of cases, 1.96 sqrt(2) deviations. PRO is reported up to 7 points lower
by those who trained the authors' code anew (issues 7, 33 and 67 of zqhang/AnomalyCLIP). Of the other metrics
nobody has published two trainings.
"""

import math
import statistics
from typing import Final, Literal, NamedTuple

LEVEL: Final = 0.95
Z: Final = statistics.NormalDist().inv_cdf((1 + LEVEL) / 2)

MEASURED_FROM: Final = 3
"""Seeds from which on their spread is trusted."""

_SUBSET: Final = {"image_auroc": 0.0050, "image_ap": 0.0048}
_DATASET: Final = dict.fromkeys(("image_auroc", "image_ap", "pixel_auroc"), 0.0036)
_LARGEST: Final = {"pixel_pro": 0.07}


class Retraining(NamedTuple):
    """What is known of another training.

    Attributes:
        known: `usual` where the spread is known, `largest` where one large difference is, `nothing`.
        deviation: standard deviation of a training, as a share; where it is not known, as if the largest
            difference between two trainings that is known of any metric were rare.
        largest: largest difference between two trainings, as a share; None where no other is known.
    """

    known: Literal["usual", "largest", "nothing"]
    deviation: float
    largest: float | None = None


def retraining(metric: str, subsets: int) -> Retraining:
    """What is known of `metric` as a mean over so many subsets."""
    usual = (_SUBSET if subsets == 1 else _DATASET).get(metric)
    if usual is not None:
        return Retraining("usual", usual)
    largest = _LARGEST.get(metric)
    rare = (largest or max(_LARGEST.values())) / (Z * math.sqrt(2))
    return Retraining("nothing" if largest is None else "largest", rare, largest)
