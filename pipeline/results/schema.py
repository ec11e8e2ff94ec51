"""The declared columns of `metrics/`, `scores/` and `examples/`, and the words that they share.

Columns are versioned: whoever changes one raises `SCHEMA_VERSION`; a golden file notices. Three columns for
every metric say how far it would move with another draw of test images: `<metric>_se`, the standard error,
and `<metric>_low` and `<metric>_high`, the ends of the 95 % interval, all in shares. All three are `None`
where the metric is, and where one image has to stand for its class (`pipeline.metrics.intervals`).
Training seeds are no part of them: each has its own row.
"""

from dataclasses import dataclass, fields
from typing import Final, Literal, NamedTuple, get_args

import pyarrow as pa

from pipeline.errors import ZsadError
from pipeline.results.examples import EXAMPLE_COLUMNS

SCHEMA_VERSION: Final = 6

IMAGE_METRICS: Final = ("image_auroc", "image_ap", "image_f1_max")
PIXEL_METRICS: Final = (
    "pixel_auroc",
    "pixel_ap",
    "pixel_f1_max",
    "pixel_pro",
    "pixel_pro_exact",
    "pixel_pro_exact_005",
)
METRICS: Final = IMAGE_METRICS + PIXEL_METRICS

Status = Literal["ok", "failed"]
Track = Literal["main", "batch", "few-shot"]
OTHER_TRACKS: Final = get_args(Track)[1:]
"""Those with tables of their own."""
FEW_SHOT: Final[Track] = "few-shot"


class ResultsError(ZsadError):
    """A result that cannot be stored, read or tabulated as it stands."""


class Spread(NamedTuple):
    """Standard error and 95 % interval of one value, as shares."""

    se: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class RuleColumns:
    """How a number, ours or a published one, stands to the benchmark's rule (docs/protocol.md).

    `None` where nobody says so: a file that is older than these columns, a cell that could not be resolved.

    Attributes:
        track: `main` where an image's score depends on that image alone, `batch` where on the whole test set,
            `few-shot` where on normal images of the target.
        protocol: the set that learnt methods are tuned on, with another one for that set itself: `mvtec` or
            `visa`; `own` for any other choice, `none` where nothing is tuned.
        build_name: the build of the data set, by its name in the catalog; in a profile with counts of its own
            the profile's name.
        epochs_rule: which epoch of a training counts: `last`, or `chosen` by a look at some results;
            `unknown`; `none` where nothing is tuned.
        chosen_on_target: whether anything was chosen by a look at what is measured: `yes`, `no`, `unknown`.
        shown_by: the file that shows it.
    """

    track: str | None = None
    protocol: str | None = None
    build_name: str | None = None
    epochs_rule: str | None = None
    chosen_on_target: str | None = None
    shown_by: str | None = None

    def check_rule(self, whose: str) -> None:
        """Refuse a word that the rule does not have.

        Raises:
            ResultsError: the message names `whose` number it is, the column and the words that there are.
        """
        for column, words in RULE_WORDS.items():
            if (word := getattr(self, column)) not in (None, *words):
                raise ResultsError(f"{whose}: {column} is {word[:80]!a}; it must be {' or '.join(words)}")


RULE_COLUMNS: Final = tuple(field.name for field in fields(RuleColumns))
RULE_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "track": get_args(Track),
    "epochs_rule": ("last", "chosen", "unknown", "none"),
    "chosen_on_target": ("yes", "no", "unknown"),
}


@dataclass(frozen=True, kw_only=True)
class IntervalColumns:
    """The interval columns of a row."""

    image_auroc_se: float | None = None
    image_auroc_low: float | None = None
    image_auroc_high: float | None = None
    image_ap_se: float | None = None
    image_ap_low: float | None = None
    image_ap_high: float | None = None
    image_f1_max_se: float | None = None
    image_f1_max_low: float | None = None
    image_f1_max_high: float | None = None
    pixel_auroc_se: float | None = None
    pixel_auroc_low: float | None = None
    pixel_auroc_high: float | None = None
    pixel_ap_se: float | None = None
    pixel_ap_low: float | None = None
    pixel_ap_high: float | None = None
    pixel_f1_max_se: float | None = None
    pixel_f1_max_low: float | None = None
    pixel_f1_max_high: float | None = None
    pixel_pro_se: float | None = None
    pixel_pro_low: float | None = None
    pixel_pro_high: float | None = None
    pixel_pro_exact_se: float | None = None
    pixel_pro_exact_low: float | None = None
    pixel_pro_exact_high: float | None = None
    pixel_pro_exact_005_se: float | None = None
    pixel_pro_exact_005_low: float | None = None
    pixel_pro_exact_005_high: float | None = None

    def spread(self, metric: str) -> Spread | None:
        """Standard error and interval of `metric`, `None` where they are undefined."""
        parts = [getattr(self, name) for name in spread_columns(metric)]
        return None if None in parts else Spread(*parts)


def spread_columns(metric: str) -> tuple[str, str, str]:
    """Names of the columns of `metric`: standard error, low end, high end."""
    return f"{metric}_se", f"{metric}_low", f"{metric}_high"


INTERVAL_COLUMNS = tuple(field.name for field in fields(IntervalColumns))

_NEW_IN_5: Final = ("pixel_pro_exact_005", *spread_columns("pixel_pro_exact_005"))
SINCE: Final = {
    "title": 3,
    "limit": 4,
    **dict.fromkeys(RULE_COLUMNS, 4),
    **dict.fromkeys(_NEW_IN_5, 5),
    "references": 6,
}
"""Columns that files of older versions lack; they are read as null."""


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
        pa.field("title", pa.string()),
        pa.field("auxiliary", pa.string()),
        *(pa.field(name, pa.string()) for name in RULE_COLUMNS),
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
        pa.field("references", pa.string()),
        pa.field("limit", pa.int64()),
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
