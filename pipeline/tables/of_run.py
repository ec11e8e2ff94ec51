"""The tables of the run that params describe: which rows and data sets they stand on, and where they go.

The stage, the command and the nightly flow write the same tables, complete or not; this is what they share.
"""

from pathlib import Path

import pandas as pd

from pipeline.params import Params
from pipeline.results.read import read_metrics
from pipeline.tables.expected import Expected, expected_sets
from pipeline.tables.write import write_tables


def read_run(params: Params) -> tuple[pd.DataFrame, Expected]:
    """The rows of `params.profile` as `read_metrics` gives them, and what the run ought to contain.

    Raises:
        ZsadError: there are no rows, or a file is damaged; the message names it.
    """
    return read_metrics(params.results / "metrics"), expected_sets(params.every_dataset, params.builds)


def write_run_tables(params: Params) -> list[Path]:
    """Write every table of what is finished; see `write_tables`.

    Raises:
        ZsadError: see `read_run` and `write_tables`.
    """
    metrics, expected = read_run(params)
    return write_tables(metrics, expected, params.profile, params.results / "tables")
