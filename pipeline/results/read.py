"""Reading results back: the files of a profile as one pandas table, checked against the declared columns.

Numbers have pandas' nullable types, so that an undefined metric is `pd.NA` and cannot pass for a number.
"""

from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from pipeline.results import parquet
from pipeline.results.records import ROW_FIELDS, CellRow
from pipeline.results.schema import EXAMPLES_SCHEMA, METRICS_SCHEMA, SCORES_SCHEMA, ResultsError

_PANDAS_TYPES: Final[dict[Any, Any]] = {
    pa.int8(): pd.Int8Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.string(): pd.StringDtype(),
}


def read_metrics(folder: Path) -> pd.DataFrame:
    """One row a cell, sorted by data set, subset, method, variant and seed.

    Args:
        folder: such as `results/miniature/metrics`.

    Raises:
        ResultsError: there are no results, or a file is damaged or of another schema version.
    """
    return _read(folder, METRICS_SCHEMA)


def read_scores(folder: Path) -> pd.DataFrame:
    """One row an image and cell, sorted as `read_metrics` and then by image.

    Args:
        folder: such as `results/miniature/scores`.

    Raises:
        ResultsError: there are no results, or a file is damaged or of another schema version.
    """
    return _read(folder, SCORES_SCHEMA)


def read_examples(folder: Path) -> pd.DataFrame:
    """One row an example and cell, sorted as `read_metrics` and then as prepared.

    Args:
        folder: such as `results/miniature/examples`.

    Raises:
        ResultsError: there are no results, or a file is damaged or of another schema version.
    """
    return _read(folder, EXAMPLES_SCHEMA)


def cell_rows(metrics: pd.DataFrame) -> list[CellRow]:
    """The rows of a table from `read_metrics` as records: `None` instead of `pd.NA`, in the table's order.

    Raises:
        ResultsError: a row that no cell could have written.
    """
    columns = metrics[list(ROW_FIELDS)].astype(object)
    rows = columns.where(columns.notna(), None).itertuples(index=False, name=None)
    return [CellRow(**dict(zip(ROW_FIELDS, row, strict=True))) for row in rows]


def _read(folder: Path, schema: pa.Schema) -> pd.DataFrame:
    files = sorted(folder.glob("*/*.parquet"))
    if not files:
        raise ResultsError(f"{folder}: no results here; run `dvc repro evaluate` first")
    table = pa.concat_tables([parquet.from_bytes(path.read_bytes(), schema, str(path))[0] for path in files])
    frame: pd.DataFrame = table.to_pandas(types_mapper=_PANDAS_TYPES.get)
    return frame
