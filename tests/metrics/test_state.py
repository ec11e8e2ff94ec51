"""PixelState: agreement with the plain definitions, merging, documented answers, refusals."""

import pickle
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from pipeline.errors import ZsadError
from pipeline.metrics import PixelMetrics, PixelState, label_masks, pixel_intervals
from pipeline.metrics.arrays import key_scores, score_keys
from pipeline.metrics.curves import PIXEL_METRICS
from pipeline.metrics.state import BUDGET
from pipeline.metrics.table import CountTable

from .bounds import brackets
from .reference import Maps, catalogue, reference

KINDS = catalogue()
SMOOTH, MASKS = KINDS["smooth"]
EXACT, COUNTED = 1 << 22, 0
NAMES = [f"test/{index}.png" for index in range(len(SMOOTH))]


def state_of(maps: Maps, masks: Any, budget: int = EXACT, names: list[str] | None = None) -> PixelState:
    state = PixelState(budget)
    state.update(maps, masks, names)
    return state


@pytest.mark.parametrize("kind", KINDS)
def test_exact_state_equals_the_definitions(kind: str) -> None:
    maps, masks = KINDS[kind]
    got = state_of(maps, masks).finish()
    want = reference(maps, masks)
    assert got.n_regions == want.n_regions
    for name in PIXEL_METRICS:
        assert getattr(got, name) == pytest.approx(getattr(want, name), abs=1e-11), name


def test_pro_up_to_a_false_positive_rate_of_5_percent_by_hand() -> None:
    """40 normal pixels, two regions of 2 and 1: points (0, 1/4), (1/40, 3/4), (1/10, 1), cut at 1/20."""
    maps = np.zeros((1, 1, 43), np.float32)
    masks = np.zeros((1, 1, 43), np.bool_)
    masks[0, 0, [0, 1, 3]] = True
    maps[0, 0, [0, 3, 2, 1, 4, 5, 6]] = [9, 8, 8, 7, 7, 7, 7]
    got = state_of(maps, masks).finish()
    cut = 3 / 4 + (1 - 3 / 4) * (1 / 20 - 1 / 40) / (1 / 10 - 1 / 40)
    area = 1 / 40 * (1 / 4 + 3 / 4) / 2 + 1 / 40 * (3 / 4 + cut) / 2
    assert got.pixel_pro_exact_005 == pytest.approx(20 * area)


@pytest.mark.parametrize("kind", KINDS)
def test_counted_state_is_within_its_brackets(kind: str) -> None:
    maps, masks = KINDS[kind]
    counted, exact = state_of(maps, masks, COUNTED), asdict(state_of(maps, masks).finish())
    values, bracket = asdict(counted.finish()), brackets(counted)
    assert set(bracket) == {name for name in PIXEL_METRICS if exact[name] is not None}
    for name, (low, high) in bracket.items():
        assert low - 1e-12 <= exact[name] <= high + 1e-12, name
        assert low - 1e-12 <= values[name] <= high + 1e-12, name
    assert values["n_regions"] == exact["n_regions"]


@pytest.mark.parametrize("kind", ["narrow", "ulps", "8 bit", "six levels", "half precision"])
def test_narrow_and_few_level_scores_stay_exact_when_counted(kind: str) -> None:
    half = SMOOTH.astype(np.float16).astype(np.float32)
    maps, masks = KINDS.get(kind, (half, MASKS))
    counted = CountTable(1 << 20)
    keys = score_keys(maps.ravel())
    counted.add(keys)
    counted.add_hits(keys[masks.ravel()], np.ones(masks.sum(), np.int64))
    assert counted.ranking().row_bits == 0
    values, truth = key_scores(counted.ranking().keys), np.unique(maps)
    assert np.array_equal(values, truth)


@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_beyond_the_default_budget_the_values_hardly_move(scale: float) -> None:
    rng = np.random.default_rng(4)
    masks = np.zeros((18, 500, 500), np.bool_)
    masks[6:, 100:160, 200:290] = masks[9:, 300:320, 50:60] = True
    noise = [gaussian_filter(rng.normal(size=(500, 500)), 4) * 12 + 2 * mask for mask in masks]
    maps = (0.5 + scale / (1 + np.exp(-np.stack(noise)))).astype(np.float32)
    exact, counted = (
        asdict(state_of(maps, masks, 1 << 28).finish()),
        asdict(state_of(maps, masks, BUDGET).finish()),
    )
    allowed = dict(zip(PIXEL_METRICS, [1e-6, 1e-5, 1e-5, 1e-5, 1e-6, 1e-5], strict=True))
    for name, most in allowed.items():
        assert abs(exact[name] - counted[name]) <= (most if scale == 1 else 1e-12), name


def test_exact_up_to_the_budget_and_no_further() -> None:
    maps, masks = KINDS["wild"]
    within, beyond = (
        brackets(state_of(maps, masks, budget))["pixel_auroc"] for budget in (maps.size, maps.size - 1)
    )
    assert within[0] == within[1]
    assert beyond[0] < beyond[1]


def test_an_outlier_costs_a_counted_state_nothing() -> None:
    masks = MASKS
    maps = (0.48 + SMOOTH / 1000).astype(np.float32)
    plain = brackets(state_of(maps, masks, COUNTED))
    maps[0, 0, 0] = -1e30
    for name, (low, high) in brackets(state_of(maps, masks, COUNTED)).items():
        if name != "pixel_pro":  # its thresholds go by the range, outlier included
            assert high - low <= plain[name][1] - plain[name][0] + 1e-4


@st.composite
def splits(draw: st.DrawFn) -> list[list[int]]:
    order = draw(st.permutations(range(len(SMOOTH))))
    cuts = sorted(draw(st.sets(st.integers(1, len(order) - 1), max_size=4)))
    return [list(order[a:b]) for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]


@settings(max_examples=25, deadline=None)
@given(
    splits(), st.sampled_from(["smooth", "wild", "8 bit", "dense"]), st.sampled_from([EXACT, 4000, COUNTED])
)
def test_any_split_in_any_order_is_the_whole(parts: list[list[int]], kind: str, budget: int) -> None:
    maps, masks = KINDS[kind]
    whole = state_of(maps, masks, budget, NAMES)
    merged = PixelState(budget)
    for part in parts:
        merged.merge(state_of(maps[part], masks[part], budget, [NAMES[index] for index in part]))
    assert merged.finish() == whole.finish()
    assert brackets(merged) == brackets(whole)
    intervals = [pixel_intervals(state.sketches, state.finish()) for state in (merged, whole)]
    assert intervals[0] == intervals[1]


def test_merging_leaves_the_other_state_as_it_was() -> None:
    for budget in (EXACT, COUNTED):
        one, two = state_of(SMOOTH[:3], MASKS[:3], budget), state_of(SMOOTH[3:], MASKS[3:], budget)
        before = two.finish()
        one.merge(two)
        one.update(SMOOTH, MASKS)
        assert two.finish() == before


@pytest.mark.parametrize("budget", [EXACT, COUNTED])
def test_travels_as_read_only_buffers_and_goes_on(budget: int) -> None:
    """As through Ray's object store."""
    buffers: list[pickle.PickleBuffer] = []
    sent = pickle.dumps(state_of(SMOOTH[:3], MASKS[:3], budget), protocol=5, buffer_callback=buffers.append)
    state = pickle.loads(sent, buffers=[bytes(buffer.raw()) for buffer in buffers])  # noqa: S301
    merged = pickle.loads(sent, buffers=[bytes(buffer.raw()) for buffer in buffers])  # noqa: S301
    state.update(SMOOTH[3:], MASKS[3:])
    merged.merge(state_of(SMOOTH[3:], MASKS[3:], budget))
    assert state.finish() == merged.finish() == state_of(SMOOTH, MASKS, budget).finish()


@pytest.mark.parametrize("budget", [EXACT, COUNTED])
@pytest.mark.parametrize("kind", KINDS)
def test_parts_as_plain_arrays_add_up_to_the_whole(kind: str, budget: int) -> None:
    """Values and sketches; `tests.execution.test_ranges` does the same with whole cells."""
    maps, masks = KINDS[kind]
    names = [f"{index}.png" for index in range(len(maps))]
    whole, added = state_of(maps, masks, budget, names), PixelState(budget)
    for part in (slice(0, 1), slice(1, None)):
        arrays = state_of(maps[part], masks[part], budget, names[part]).arrays()
        added.merge(PixelState.restored(arrays, names[part], budget))
    assert added.finish() == whole.finish()
    assert [repr(it) for it in added.sketches] == [repr(it) for it in whole.sketches]


def test_arrays_of_a_counted_state_hold_occupied_rows_alone() -> None:
    state = state_of(SMOOTH, MASKS, COUNTED)
    table = state._table
    assert table is not None
    arrays, occupied = state.arrays(), int((table._counts[0] > 0).sum())
    assert arrays["pixels"].size == occupied < table._counts.shape[1]
    assert sum(it.nbytes for it in arrays.values()) < table._counts.nbytes / 2


def test_batches_and_order_of_pixels_do_not_matter() -> None:
    whole = state_of(SMOOTH, MASKS)
    batched = PixelState()
    for image in range(len(SMOOTH)):
        batched.update(SMOOTH[image : image + 1, ::-1], MASKS[image : image + 1, ::-1])
    assert batched.finish() == whole.finish()


def test_labels_made_once_serve_every_method() -> None:
    assert state_of(SMOOTH, label_masks(MASKS)).finish() == state_of(SMOOTH, MASKS).finish()


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int64, np.float32])
def test_mask_types(dtype: type) -> None:
    assert state_of(SMOOTH, MASKS.astype(dtype)).finish() == state_of(SMOOTH, MASKS).finish()


def test_takes_tensors() -> None:
    maps = torch.from_numpy(SMOOTH).requires_grad_()
    assert state_of(maps, torch.from_numpy(MASKS)).finish() == state_of(SMOOTH, MASKS).finish()  # type: ignore[arg-type]
    half = maps.bfloat16()
    assert state_of(half, MASKS).finish() == state_of(half.float(), MASKS).finish()  # type: ignore[arg-type]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_takes_tensors_on_a_gpu() -> None:
    maps, masks = torch.from_numpy(SMOOTH).cuda(), torch.from_numpy(MASKS).cuda()
    assert state_of(maps, masks).finish() == state_of(SMOOTH, MASKS).finish()  # type: ignore[arg-type]


def test_images_of_several_sizes_pool_their_pixels() -> None:
    state = state_of(SMOOTH[:2, :11], MASKS[:2, :11])
    state.update(SMOOTH[:2, 11:], MASKS[:2, 11:])
    assert state.finish().pixel_auroc == state_of(SMOOTH[:2], MASKS[:2]).finish().pixel_auroc


# What is undefined, and what an odd subset is worth (documented in PixelMetrics and the protocol module).

NOTHING = PixelMetrics(None, None, None, None, None, None, 0, 0, None)


@pytest.mark.parametrize("budget", [EXACT, COUNTED])
def test_empty_subset(budget: int) -> None:
    assert PixelState(budget).finish() == NOTHING
    assert brackets(PixelState(budget)) == {}
    assert state_of(SMOOTH[:0], MASKS[:0], budget).finish() == NOTHING


@pytest.mark.parametrize("budget", [EXACT, COUNTED])
def test_one_class_only(budget: int) -> None:
    state = state_of(SMOOTH, np.zeros_like(MASKS), budget)
    assert state.finish() == NOTHING
    assert brackets(state) == {}
    everything = state_of(SMOOTH, np.ones_like(MASKS), budget).finish()
    assert everything == PixelMetrics(None, None, None, None, None, None, len(SMOOTH), 0, None)


@pytest.mark.parametrize("budget", [EXACT, COUNTED])
def test_constant_maps_are_at_chance_and_have_no_protocol_value(budget: int) -> None:
    got = state_of(np.full_like(SMOOTH, 0.7), MASKS, budget).finish()
    share = MASKS.mean()
    assert got.pixel_auroc == 0.5
    assert got.pixel_ap == pytest.approx(share)
    assert got.pixel_f1_max == pytest.approx(2 * share / (1 + share))
    assert got.pixel_pro_exact == pytest.approx(0.15)
    assert got.pixel_pro_exact_005 == pytest.approx(0.025)
    assert (got.pixel_pro, got.pro_points, got.pro_fpr_max) == (None, 0, None)


def test_no_threshold_below_the_limit() -> None:
    """Half of the normal pixels share the top score: every grid point has an FPR of at least 0.5."""
    maps = np.zeros_like(SMOOTH)
    maps[:, ::2] = 1
    got = state_of(maps, MASKS).finish()
    assert (got.pixel_pro, got.pro_points, got.pro_fpr_max) == (None, 0, None)
    assert got.pixel_pro_exact is not None


def test_one_false_positive_rate_below_the_limit() -> None:
    got = state_of(MASKS.astype(np.float32), MASKS).finish()
    assert (got.pixel_pro, got.pro_points, got.pro_fpr_max) == (None, 200, 0.0)
    assert got.pixel_pro_exact == pytest.approx(1.0)


def test_range_beyond_float32_has_no_protocol_value() -> None:
    maps = np.where(MASKS, np.float32(3e38), np.float32(-3e38))
    got = state_of(maps, MASKS).finish()
    assert got.pixel_pro is None
    assert got.pixel_auroc == 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_map_that_is_not_finite_names_the_image_and_adds_nothing(bad: float) -> None:
    maps = SMOOTH.copy()
    maps[4, 7, 7] = bad
    state = PixelState()
    with pytest.raises(ZsadError, match=r"'test/4\.png': the anomaly map holds NaN or infinite"):
        state.update(maps, MASKS, NAMES)
    with pytest.raises(ZsadError, match="image 4 of the batch"):
        state.update(maps, MASKS)
    with pytest.raises(ZsadError, match="image 0 of the batch"):
        state.update(maps[4:], MASKS[4:])
    assert state.finish() == NOTHING


def test_a_mask_of_another_size_names_the_image() -> None:
    with pytest.raises(ZsadError, match=r"'test/0\.png': the map is 30 x 34, its mask 30 x 33"):
        PixelState().update(SMOOTH, MASKS[:, :, 1:], NAMES)


def test_a_mask_that_is_not_binary_names_the_image() -> None:
    masks = MASKS.astype(np.uint8)
    masks[2, 0, 0] = 255
    with pytest.raises(ZsadError, match=r"'test/2\.png': the mask holds values other than 0 and 1"):
        PixelState().update(SMOOTH, masks, NAMES)


def test_other_refusals() -> None:
    with pytest.raises(ZsadError, match="5 maps with 6 masks"):
        PixelState().update(SMOOTH[:5], MASKS)
    with pytest.raises(ZsadError, match="6 maps with 5 names"):
        PixelState().update(SMOOTH, MASKS, NAMES[:5])
    with pytest.raises(ZsadError, match="images, height, width"):
        PixelState().update(SMOOTH[0], MASKS)
    with pytest.raises(ZsadError, match="images, height, width"):
        PixelState().update(SMOOTH[:, :0], MASKS[:, :0])
    with pytest.raises(ZsadError, match="images, height, width"):
        PixelState().update(SMOOTH, MASKS[0])
    with pytest.raises(ZsadError, match="budgets 4194304 and 0"):
        PixelState().merge(PixelState(0))
    with pytest.raises(ZsadError, match="too large"):
        PixelState().update(np.broadcast_to(np.float32(0), (1, 6000, 6000)), [])


def test_a_long_and_narrow_map_is_not_too_large() -> None:
    state = state_of(np.zeros((1, 1, 6000), np.float32), np.zeros((1, 1, 6000), np.uint8))
    state.update(np.zeros((1, 6000, 1), np.float32), np.zeros((1, 6000, 1), np.uint8))
    assert state.finish().n_regions == 0


# Properties that hold for any scores.


def test_order_alone_counts_except_for_the_protocol() -> None:
    scores, ranks = np.unique(SMOOTH, return_inverse=True)
    assert len(scores) > 1000
    got, want = (asdict(state_of(maps, MASKS).finish()) for maps in (ranks.astype(np.float32), SMOOTH))
    assert {**got, "pixel_pro": 0, "pro_points": 0, "pro_fpr_max": 0} == {
        **want, "pixel_pro": 0, "pro_points": 0, "pro_fpr_max": 0,
    }  # fmt: skip


def test_negated_scores_have_the_complementary_auroc() -> None:
    got, negated = (state_of(maps, MASKS).finish().pixel_auroc for maps in (SMOOTH, -SMOOTH))
    assert got is not None
    assert negated == pytest.approx(1 - got, abs=1e-12)


@pytest.mark.parametrize("budget", [EXACT, COUNTED])
def test_every_image_twice_changes_nothing(budget: int) -> None:
    once, twice = state_of(SMOOTH, MASKS, budget), state_of(SMOOTH, MASKS, budget)
    twice.merge(once)
    got, want = asdict(twice.finish()), asdict(once.finish())
    for name in PIXEL_METRICS:
        assert got[name] == pytest.approx(want[name], abs=1e-12), name
    assert got["n_regions"] == 2 * want["n_regions"]
