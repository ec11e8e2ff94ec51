"""The declared columns of `metrics/`, `scores/` and `examples/`, and the words that they share.

Columns are versioned: whoever changes one raises `SCHEMA_VERSION`; a golden file notices. The records that
become rows are in `records`; `intervals` has the columns of uncertainty.
"""

from typing import Final, Literal

import pyarrow as pa

from pipeline.errors import ZsadError
from pipeline.results.examples import EXAMPLE_COLUMNS
from pipeline.results.intervals import INTERVAL_COLUMNS

SCHEMA_VERSION: Final = 2

IMAGE_METRICS: Final = ("image_auroc", "image_ap", "image_f1_max")
PIXEL_METRICS: Final = ("pixel_auroc", "pixel_ap", "pixel_f1_max", "pixel_pro", "pixel_pro_exact")
METRICS: Final = IMAGE_METRICS + PIXEL_METRICS

Status = Literal["ok", "failed"]
CellKey = tuple[str, str, str, str, int | None]


class ResultsError(ZsadError):
    """A result that cannot be stored, read or tabulated as it stands."""


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


_IDENTITY = (
    _required("dataset", pa.string()),
    _required("subset", pa.string()),
    _required("method", pa.string()),
    _required("variant", pa.string()),
    pa.field("seed", pa.int64()),
)

METRICS_SCHEMA: Final = pa.schema(
    [
        _required("schema_version", pa.int32()),
        _required("profile", pa.string()),
        *_IDENTITY,
        pa.field("auxiliary", pa.string()),
        _required("status", pa.string()),
        pa.field("error", pa.string()),
        pa.field("image_size", pa.int32()),
        pa.field("n_images", pa.int64()),
        pa.field("n_normal", pa.int64()),
        pa.field("n_anomalous", pa.int64()),
        pa.field("n_regions", pa.int64()),
        *(pa.field(name, pa.float64()) for name in METRICS),
        *(pa.field(name, pa.float64()) for name in INTERVAL_COLUMNS),
        pa.field("pro_points", pa.int64()),
        pa.field("pro_fpr_max", pa.float64()),
        pa.field("build", pa.string()),
        pa.field("weights", pa.string()),
        pa.field("params", pa.string()),
        pa.field("code", pa.string()),
        pa.field("cell_key", pa.string()),
    ]
)

IMAGE_FIELDS: Final = (
    _required("image", pa.string()),
    _required("label", pa.int8()),
    _required("score", pa.float64()),
)

SCORES_SCHEMA: Final = pa.schema([*_IDENTITY, *IMAGE_FIELDS])

EXAMPLES_SCHEMA: Final = pa.schema(
    [
        *_IDENTITY,
        *IMAGE_FIELDS,
        *(pa.field(name, kind, nullable=name == "role") for name, kind in EXAMPLE_COLUMNS.items()),
    ]
)
