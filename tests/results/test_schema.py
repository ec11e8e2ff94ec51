import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.results import (
    INTERVAL_COLUMNS,
    METRICS,
    METRICS_SCHEMA,
    SCHEMA_VERSION,
    SCORES_SCHEMA,
    CellResult,
    CellRow,
    CellScores,
    ResultsError,
    spread_columns,
)

from .make import failed_row, ok_row

GOLDEN = Path(__file__).parent / "golden" / "schema.txt"


def test_columns_are_those_of_the_golden_file() -> None:
    """Whoever changes a column raises SCHEMA_VERSION and updates tests/results/golden/schema.txt."""
    text = f"version {SCHEMA_VERSION}\n\nmetrics\n{METRICS_SCHEMA}\n\nscores\n{SCORES_SCHEMA}\n"
    assert text == GOLDEN.read_text()


def test_the_row_has_a_field_for_every_column() -> None:
    names = {field.name for field in fields(CellRow)}
    assert names | {"schema_version"} == set(METRICS_SCHEMA.names)


def test_metrics_are_nullable_doubles() -> None:
    for name in METRICS:
        field = METRICS_SCHEMA.field(name)
        assert (str(field.type), field.nullable) == ("double", True)


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1, 1.1, 91.5])
@pytest.mark.parametrize("metric", ["image_auroc", "pixel_pro", "pro_fpr_max"])
def test_a_metric_outside_its_range_is_refused(metric: str, value: float) -> None:
    with pytest.raises(ResultsError, match=f"anomalyclip on mvtec/bottle, seed 111: {metric}"):
        ok_row(**{metric: value})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"error": "boom"}, "an ok cell carries the error"),
        ({"build": None, "cell_key": None}, "lacks build, cell_key"),
        ({"n_images": None}, "lacks n_images"),
        ({"status": "done"}, "'ok' or 'failed'"),
    ],
)
def test_an_ok_row_that_contradicts_itself_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ResultsError, match=message):
        ok_row(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"error": None}, "must say why"),
        ({"error": ""}, "must say why"),
        ({"image_ap": 0.0}, "carries image_ap"),
    ],
)
def test_a_failed_row_says_why_and_measures_nothing(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ResultsError, match=message):
        failed_row(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"image_auroc_se": 0.1},
        {"image_auroc_se": 0.1, "image_auroc_low": 0.4, "image_auroc_high": 0.3},
        {"pixel_ap_se": 0.1, "pixel_ap_low": 0.2, "pixel_ap_high": 0.3},
    ],
    ids=["half", "reversed", "without a value"],
)
def test_a_broken_interval_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ResultsError, match="all three are needed beside a value"):
        ok_row(**changes)


def test_the_spread_of_a_metric() -> None:
    assert ok_row().spread("image_ap") is None
    row = ok_row(image_ap_se=0.1, image_ap_low=0.8, image_ap_high=1.0)
    assert row.spread("image_ap") == (0.1, 0.8, 1.0)
    with pytest.raises(ResultsError, match=r"image_ap_se is -0\.1"):
        ok_row(image_ap_se=-0.1, image_ap_low=0.8, image_ap_high=1.0)


def test_every_metric_has_interval_columns() -> None:
    assert tuple(name for metric in METRICS for name in spread_columns(metric)) == INTERVAL_COLUMNS


def test_names_and_keys() -> None:
    assert failed_row().name == "clip on mvtec/bottle"
    assert ok_row(variant="no_dpam").name == "anomalyclip[no_dpam] on mvtec/bottle, seed 111"
    assert ok_row().key == ("mvtec", "bottle", "anomalyclip", "", 111)


def test_scores_are_kept_as_read_only_copies() -> None:
    given = np.array([0.25, 0.5])
    scores = CellScores(["a.png", "b.png"], np.array([0, 1]), given)
    given[0] = 9
    assert scores.labels.dtype == np.int8
    assert scores.scores.tolist() == [0.25, 0.5]
    with pytest.raises(ValueError, match="read-only"):
        scores.scores[0] = 1


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0], [0.1, 0.2], "2 images, 1 labels, 2 scores"),
        ([0, 255], [0.1, 0.2], "neither 0 nor 1"),
        ([0, 1], [0.1, math.nan], "b.png: the image score is nan"),
        ([[0], [1]], [0.1, 0.2], "vector"),
    ],
)
def test_bad_scores_are_refused(labels: list[Any], scores: list[float], message: str) -> None:
    with pytest.raises(ResultsError, match=message):
        CellScores(["a.png", "b.png"], np.array(labels), np.array(scores))


def test_scores_are_equal_by_content() -> None:
    one = CellScores(["a.png"], np.array([0]), np.array([0.5]))
    same = CellScores(["a.png"], np.array([0]), np.array([0.5]))
    other = CellScores(["a.png"], np.array([0]), np.array([0.5000001]))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != "scores"


def test_a_result_has_scores_exactly_when_it_is_ok() -> None:
    scores = CellScores(["a.png"], np.array([0]), np.array([0.5]))
    with pytest.raises(ResultsError, match="3 image scores are needed, 1 were given"):
        CellResult(ok_row(), scores)
    with pytest.raises(ResultsError, match="3 image scores are needed, None were given"):
        CellResult(ok_row(), None)
    with pytest.raises(ResultsError, match="None image scores are needed, 1 were given"):
        CellResult(failed_row(), scores)


@pytest.mark.parametrize("part", ["subset", "title"])
def test_what_goes_into_a_table_is_one_line(part: str) -> None:
    with pytest.raises(ResultsError, match=f"a row has the {part} 'a.nb', which no run can have written"):
        ok_row(**{part: "a\nb"})
