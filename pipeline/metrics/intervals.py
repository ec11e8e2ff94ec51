"""From series of draws (`pipeline.metrics.draws`) to what tables print: means, intervals, standard errors.

For a mean over subsets the series of the subsets are averaged draw by draw.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.metrics.draws import Draws
from pipeline.metrics.keys import Floats

_UNDEFINED = 0.05


def mean_draws(subsets: Sequence[Draws]) -> Draws:
    """Draw-by-draw mean over subsets of the metrics that every one of them has."""
    names = set.intersection(*(set(subset) for subset in subsets)) if subsets else set()
    return {name: np.mean([subset[name] for subset in subsets], axis=0) for name in sorted(names)}


def interval(values: Floats, level: float = 0.95) -> tuple[float, float] | None:
    """Percentile interval of a series of draws; None when more than 5 % of the draws are undefined."""
    if (defined := _defined(values)) is None:
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def standard_error(values: Floats) -> float | None:
    """Standard deviation of a series of draws; None when more than 5 % of the draws are undefined."""
    defined = _defined(values)
    return None if defined is None else float(defined.std(ddof=1))


def _defined(values: Floats) -> Floats | None:
    defined = values[~np.isnan(values)]
    return defined if defined.size and defined.size >= (1 - _UNDEFINED) * values.size else None
