import io
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.results import (
    METRICS,
    SCHEMA_VERSION,
    CellResult,
    CellScores,
    ResultsError,
    decode_cell,
    encode_cell,
    parquet,
)

from .make import BLANK, HEATMAP, failed_cell, ok_cell, ok_row

shares = st.one_of(st.none(), st.floats(0, 1))
scores = st.lists(
    st.tuples(
        st.text(st.characters(codec="utf-8")),
        st.integers(0, 1),
        st.floats(allow_nan=False, allow_infinity=False),
    )
)


@given(
    metrics=st.fixed_dictionaries(dict.fromkeys(METRICS, shares)),
    lines=scores,
    seed=st.none() | st.integers(0),
)
def test_a_cell_comes_back_exactly(
    metrics: dict[str, float | None], lines: list[tuple[str, int, float]], seed: int | None
) -> None:
    if seed is not None and seed >= 2**63:
        seed = None
    images = [image for image, _, _ in lines]
    labels, values = [label for _, label, _ in lines], [score for _, _, score in lines]
    row = ok_row(**metrics, seed=seed, n_images=len(lines))
    cell = CellResult(row, CellScores(images, np.array(labels, dtype=int), np.array(values, dtype=float)))
    content = encode_cell(cell)
    back = decode_cell(content)
    assert back == cell
    assert encode_cell(back) == content


def test_a_failed_cell_comes_back() -> None:
    assert decode_cell(encode_cell(failed_cell())) == failed_cell()


def test_the_file_is_plain_parquet() -> None:
    table = pq.read_table(io.BytesIO(encode_cell(ok_cell())))
    assert table.to_pydict() == {
        "image": ["good/000.png", "broken/001.png", "broken/000.png"],
        "label": [0, 1, 1],
        "score": [0.1, 0.7, 0.3],
        "role": ["alarm", None, None],
        "reference": [False, None, True],
        "low": [-1.5, None, 0.1],
        "high": [0.25, None, 0.1],
        "heatmap": [BLANK, None, HEATMAP],
    }
    assert "pandas" not in str(table.schema.metadata)


@pytest.mark.parametrize("kept", [0, 3, 4, 100, -9, -1])
def test_a_file_that_was_cut_is_refused(kept: int) -> None:
    with pytest.raises(ResultsError, match=r"ab/abc\.parquet: damaged .* delete it and run again"):
        decode_cell(encode_cell(ok_cell())[:kept], "ab/abc.parquet")


def test_a_changed_score_is_refused_although_the_parquet_file_is_sound() -> None:
    content = encode_cell(ok_cell())
    file = pq.ParquetFile(io.BytesIO(content))
    table = file.read()
    table = table.set_column(2, table.schema.field("score"), [[0.1, 0.7, math.nextafter(0.3, 1)]])
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, table.schema, store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(file.metadata.metadata)
    with pytest.raises(ResultsError, match="not what was written"):
        decode_cell(sink.getvalue())


def test_another_schema_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for version in (1, 99):
        with monkeypatch.context() as patch:
            patch.setattr("pipeline.results.parquet.SCHEMA_VERSION", version)
            content = encode_cell(ok_cell())
        with pytest.raises(ResultsError, match=f"schema version {version}, this code has {SCHEMA_VERSION}"):
            decode_cell(content)


def test_another_parquet_file_is_refused() -> None:
    table = pq.read_table(io.BytesIO(encode_cell(ok_cell()))).drop_columns(["label"])
    with pytest.raises(ResultsError, match=r"columns are not those .*label"):
        decode_cell(parquet.to_bytes(table.replace_schema_metadata(None), {}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"place": 3}, "ascending rows among 3 images"),
        ({"place": 0}, "ascending rows among 3 images"),
        ({"role": "best"}, "row 2 has the role 'best'"),
        ({"heatmap": b"123"}, "row 2 has a heatmap that is no WebP file"),
        ({"low": 0.5, "high": 0.4}, r"row 2 has a map from 0\.5 to 0\.4"),
        ({"high": math.inf}, "must be finite"),
    ],
)
def test_a_wrong_example_is_refused(changes: dict[str, Any], message: str) -> None:
    cell = ok_cell()
    examples = (cell.examples[0], replace(cell.examples[1], **changes))
    with pytest.raises(ResultsError, match=message):
        CellResult(cell.row, cell.scores, examples)
