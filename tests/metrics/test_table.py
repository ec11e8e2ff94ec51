"""The count table: rows as wide as the pages ask, and never more rows than its capacity."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.metrics.arrays import Keys
from pipeline.metrics.table import CountTable

ROWS = 1 << 16


def random_keys(seed: int, pages: int, count: int = 3000) -> Keys:
    rng = np.random.default_rng(seed)
    chosen = rng.choice(1 << 16, pages, replace=False).astype(np.uint32)
    return (rng.choice(chosen, count) << np.uint32(16)) | rng.integers(0, 1 << 16, count, dtype=np.uint32)


@pytest.mark.parametrize(("pages", "row_bits"), [(1, 0), (2, 1), (3, 2), (256, 8), (257, 9)])
def test_rows_are_as_narrow_as_the_capacity_allows(pages: int, row_bits: int) -> None:
    keys = random_keys(0, pages, 150_000)
    table = CountTable(ROWS)
    table.add(keys)
    ranking = table.ranking()
    assert ranking.row_bits == row_bits
    rows, counts = np.unique(keys >> np.uint32(row_bits) << np.uint32(row_bits), return_counts=True)
    assert np.array_equal(ranking.keys, rows)
    assert ranking.below is not None
    assert np.array_equal(np.diff(ranking.below), counts)


def test_rows_stay_inexact_once_a_score_has_used_their_low_bits() -> None:
    fine, coarse = random_keys(0, 8), random_keys(1, 8) >> np.uint32(8) << np.uint32(8)
    one, two = CountTable(ROWS), CountTable(ROWS)
    one.add(fine)
    one.add(coarse)
    assert one.ranking().row_bits == 4
    two.add(coarse)
    assert two.ranking().row_bits == 0
    one.merge(two)
    assert one.ranking().row_bits == 4
    two.merge(one)
    assert two.ranking().row_bits == 4


def test_rows_whose_low_bits_no_score_uses_are_exact() -> None:
    """16 pages ask for rows of 4 bits; the scores are whole multiples of a row, odd ones too."""
    keys = random_keys(0, 16) >> np.uint32(4) << np.uint32(4)
    table = CountTable(ROWS)
    table.add(keys)
    ranking = table.ranking()
    assert ranking.row_bits == 0
    assert np.array_equal(ranking.keys, np.unique(keys))


def test_every_page_in_use_leaves_a_row_a_page() -> None:
    table = CountTable(0)
    table.add(np.arange(0, 1 << 32, 4099, dtype=np.uint32))
    ranking = table.ranking()
    assert (ranking.row_bits, ranking.keys.size) == (16, 1 << 16)
    assert table._counts.shape[1] == ROWS


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=5), st.integers(0, 4))
def test_merged_tables_equal_one_table(pages: list[int], into: int) -> None:
    parts = [random_keys(seed, count, 500) for seed, count in enumerate(pages)]
    whole = CountTable(ROWS)
    tables = []
    for keys in parts:
        hits, weights = keys[::3], np.arange(keys[::3].size)
        tables.append(CountTable(ROWS))
        for table in (whole, tables[-1]):
            table.add(keys)
            table.add_hits(hits, weights)
    merged = tables.pop(into % len(tables))
    for table in tables:
        merged.merge(table)
    got, want = merged.ranking(), whole.ranking()
    assert (got.row_bits, got.regions) == (want.row_bits, want.regions)
    for name in ("keys", "below", "hit_keys", "hits", "weights"):
        assert np.array_equal(getattr(got, name), getattr(want, name)), name
