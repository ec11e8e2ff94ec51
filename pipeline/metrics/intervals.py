"""From a series of bootstrap draws (`pipeline.metrics.draws`) to an interval and a standard error."""

import numpy as np

from pipeline.metrics.keys import Floats

_UNDEFINED = 0.05


def interval(values: Floats) -> tuple[float, float] | None:
    """95 % percentile interval of a series of draws; None when more than 5 % of the draws are undefined."""
    if (defined := _defined(values)) is None:
        return None
    low, high = np.quantile(defined, [0.025, 0.975])
    return float(low), float(high)


def standard_error(values: Floats) -> float | None:
    """Standard deviation of a series of draws; None when more than 5 % of the draws are undefined."""
    defined = _defined(values)
    return None if defined is None else float(defined.std(ddof=1))


def _defined(values: Floats) -> Floats | None:
    defined = values[~np.isnan(values)]
    return defined if defined.size and defined.size >= (1 - _UNDEFINED) * values.size else None
