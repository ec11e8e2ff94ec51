"""Counts on the device against `PixelState`: equal to the bit, refused alike, in bounded memory.

The device is the CPU, whose integer arithmetic is that of every other; tests marked gpu repeat it there.
"""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmarks.standin import META, Watch
from pipeline import methods
from pipeline.clip import load_clip
from pipeline.errors import ZsadError
from pipeline.execution import counts, device_masks, parts
from pipeline.execution.counts import DevicePixels
from pipeline.execution.device_masks import DeviceMasks
from pipeline.execution.examples import small_maps
from pipeline.metrics import PixelState, label_masks, pixel_intervals
from tests.clip.towers import make_tower
from tests.execution.running import evaluate, use_plain_methods
from tests.project import Project

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
        ],
    ),
]
EXACT, COUNTED = 1 << 40, 1 << 12
LARGE = 1 << 62  # bytes: counted once, at the end

Floats = NDArray[Any]
Batches = list[tuple[Floats, NDArray[np.uint8], list[str]]]
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]


def zeros(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
    """Both zeros, and a little beside them."""
    signed = np.where(rng.random(size) < 0.5, -0.0, 0.0)
    return np.where(rng.random(size) < 0.1, 1e-3 * rng.normal(size=size), signed)


KINDS: dict[str, Draw] = {
    "random": lambda rng, size: rng.random(size),
    "tied": lambda rng, size: rng.integers(0, 16, size) / 16,
    "integers": lambda rng, size: rng.integers(0, 256, size),
    "narrow": lambda rng, size: 0.70 + 0.02 * rng.random(size),
    "decades": lambda rng, size: -np.exp(rng.normal(size=size) * 12),
    "both signs": lambda rng, size: rng.normal(size=size),
    "zeros": zeros,
    "negative zeros": lambda _, size: np.full(size, -0.0),
    "denormals": lambda rng, size: rng.normal(size=size) * 1e-41,
    "constant": lambda _, size: np.full(size, 0.3),
    "half": lambda rng, size: rng.random(size).astype(np.float16),
}


def masks_of(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Up to four overlapping squares."""
    mask = np.zeros(size, np.uint8)
    for _ in range(rng.integers(1, 5)):
        side = max(1, int(min(size) * 0.3 * rng.random()))
        top, left = rng.integers(0, size[0] - side + 1), rng.integers(0, size[1] - side + 1)
        mask[top : top + side, left : left + side] = 1
    return mask


def batches(draw: Draw, sizes: list[tuple[int, int]], images: int = 5) -> Batches:
    """A batch for each size; every third mask is empty."""
    rng = np.random.default_rng(0)
    made: Batches = []
    for number, size in enumerate(sizes):
        maps = np.stack([np.asarray(draw(rng, size), np.float32) for _ in range(images)])
        masks = np.stack([masks_of(rng, size) * (index % 3 != 2) for index in range(images)])
        made.append((maps, masks.astype(np.uint8), [f"{number}-{index}" for index in range(images)]))
    return made


def on_cpu(given: Batches, budget: int) -> PixelState:
    state = PixelState(budget)
    for maps, masks, names in given:
        state.update(maps, masks, names)
    return state


def on_device(
    given: Batches, budget: int, device: str, memory: int = LARGE, dtype: torch.dtype = torch.float32
) -> DevicePixels:
    state = DevicePixels(memory, budget)
    for maps, masks, names in given:
        regions = DeviceMasks.of(label_masks(masks), torch.device(device))
        state.update(torch.from_numpy(maps).to(device, dtype), regions, names)
    return state


def by_name(state: PixelState) -> list[Any]:
    return sorted(state.sketches, key=lambda sketch: sketch.name)


def assert_equal(state: PixelState, expected: PixelState) -> None:
    """To the bit: values, what they are made of, sketches and intervals."""
    assert state.finish() == expected.finish()
    one, other = state._ranking(), expected._ranking()
    assert one.row_bits == other.row_bits
    for part in ("keys", "below", "hit_keys", "hits", "weights"):
        same(getattr(one, part), getattr(other, part))
    for mine, its in zip(by_name(state), by_name(expected), strict=True):
        for part in ("name", "low", "high", "normals", "normal_keys", "anomalous", "hit_keys", "cover"):
            same(getattr(mine, part), getattr(its, part))
    intervals = [pixel_intervals(it.sketches, it.finish()) for it in (state, expected)]
    assert intervals[0] == intervals[1]


def same(one: Any, other: Any) -> None:
    assert (one is None) == (other is None)
    assert np.asarray(one).dtype == np.asarray(other).dtype
    assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("budget", [EXACT, COUNTED])
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_bits_whole_in_parts_and_beside_numpy(kind: str, budget: int, device: str) -> None:
    given = batches(KINDS[kind], [(64, 64)] * 4)
    expected = on_cpu(given, budget)
    assert_equal(on_device(given, budget, device).state(), expected)
    assert_equal(on_device(given, budget, device, memory=3 * 4 * 5 * 64 * 64).state(), expected)
    late, early = (on_device(given[half::2], budget, device).state() for half in (1, 0))
    merged = PixelState(budget)
    merged.merge(pickle.loads(pickle.dumps(late)))  # noqa: S301 - our own
    merged.merge(early)
    assert_equal(merged, expected)
    mixed = on_device(given[::2], budget, device).state()
    for maps, masks, names in given[1::2]:
        mixed.update(maps, masks, names)
    assert_equal(mixed, expected)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("budget", [EXACT, 1 << 14])
@pytest.mark.parametrize(
    "sizes",
    [[(131, 131)] * 2, [(200, 140), (64, 64), (33, 200)], [(1, 1), (2, 3), (300, 301)]],
    ids=["odd", "mixed", "tiny"],
)
def test_sizes_of_every_kind(sizes: list[tuple[int, int]], budget: int, device: str) -> None:
    given = batches(KINDS["both signs"], sizes, 3)
    assert_equal(on_device(given, budget, device).state(), on_cpu(given, budget))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("budget", [EXACT, 1 << 14])
def test_masks_that_leave_no_normal_pixel_or_none_that_is_sampled(budget: int, device: str) -> None:
    given = batches(KINDS["random"], [(200, 200)] * 3, 4)
    masks = given[1][1]
    masks[0] = 1
    masks[1] = 0
    masks[1].reshape(-1)[:: 200 * 200 // (1 << 14) | 1] = 1
    assert_equal(on_device(given, budget, device).state(), on_cpu(given, budget))
    only = [given[1]]
    only[0][1][:] = 1
    assert_equal(on_device(only, budget, device).state(), on_cpu(only, budget))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_maps_of_other_types_are_ranked_as_float32(dtype: torch.dtype, device: str) -> None:
    given = batches(KINDS["both signs"], [(40, 40)] * 3)
    rounded = [
        (torch.from_numpy(maps).to(dtype).float().numpy(), masks, names) for maps, masks, names in given
    ]
    found = on_device(given, COUNTED, device, dtype=dtype).state()
    assert_equal(found, on_cpu(rounded, COUNTED))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("wrong", [np.nan, -np.nan, np.inf, -np.inf])
def test_scores_that_cannot_be_ranked_are_refused_with_the_first_image(wrong: float, device: str) -> None:
    given = batches(KINDS["random"], [(20, 20)] * 3)
    given[1][0][3, 7, 7] = wrong
    given[2][0][0, 0, 0] = wrong
    with pytest.raises(ZsadError) as expected:
        on_cpu(given, COUNTED)
    assert "'1-3'" in str(expected.value)
    for memory in (LARGE, 1):
        with pytest.raises(ZsadError, match="NaN or infinite") as found:
            on_device(given, COUNTED, device, memory).finish()
        assert str(found.value) == str(expected.value)


def test_what_does_not_belong_together_is_refused_as_on_the_cpu() -> None:
    ((maps, masks, names),) = batches(KINDS["random"], [(20, 20)])
    for wrong in (
        (maps[:3], masks, names),
        (maps, masks, names[:2]),
        (maps[:, :10], masks, names),
        (maps[0], masks, names),
        (maps, masks + 1, names),
    ):
        refusals = []
        for state in (PixelState(), DevicePixels(LARGE)):
            with pytest.raises(ZsadError) as refused:
                state.update(torch.from_numpy(wrong[0]), *wrong[1:])
            refusals.append(str(refused.value))
        assert refusals[0] == refusals[1]


def test_nothing_at_all_is_no_value() -> None:
    assert DevicePixels(LARGE).finish() == PixelState().finish()
    assert DevicePixels(LARGE).sketches == ()


def test_keys_stay_within_the_memory_they_may_take() -> None:
    given = batches(KINDS["random"], [(64, 64)] * 8)
    batch = 4 * 5 * 64 * 64
    state = DevicePixels(3 * batch, COUNTED)
    for maps, masks, names in given:
        state.update(torch.from_numpy(maps), masks, names)
        assert sum(4 * kept.keys.numel() for kept in state._kept) <= 3 * batch
    assert_equal(state.state(), on_cpu(given, COUNTED))


def test_smooth_maps_of_the_papers_size_beyond_the_budget() -> None:
    def smooth(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
        grid = torch.from_numpy(rng.random((1, 1, 37, 37), np.float32) ** 3)
        return torch.nn.functional.interpolate(grid, size=size, mode="bicubic")[0, 0].numpy()

    given = batches(smooth, [(518, 518)] * 2, 4)
    assert_equal(on_device(given, 1 << 20, "cpu").state(), on_cpu(given, 1 << 20))


def test_a_run_that_counts_on_the_device_writes_the_same_bytes(
    trained: Project, plain_results: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_plain_methods(trained)
    for module in (counts, device_masks):
        monkeypatch.setattr(module, "counts_on", lambda _: True)
    monkeypatch.setattr(parts, "_WAITING", 2)
    updated: list[int] = []
    update = DevicePixels.update

    def noted(self: DevicePixels, maps: torch.Tensor, *rest: Any) -> None:
        updated.append(len(maps))
        update(self, maps, *rest)

    monkeypatch.setattr(DevicePixels, "update", noted)
    assert evaluate().complete
    assert updated
    assert trained.files("results") == plain_results


METHODS: dict[str, dict[str, Any]] = {
    "clip": {"layers": [6]},
    "anomalyclip": {"layers": [6], "dpam_start": 3, "deep_layers": 4},
    "coop": {"layers": [6]},
    "winclip": {},
    "vand": {"layers": [3, 6]},
}


def test_a_batch_waits_for_nothing_and_brings_nothing_back(tmp_path: Path) -> None:
    tower = make_tower(tmp_path)
    images = torch.zeros(4, tower.size, tower.size, 3, dtype=torch.uint8)
    regions = label_masks(np.stack([masks_of(np.random.default_rng(0), (tower.size, tower.size))] * 4))
    with Watch():
        clip = load_clip(tower.clip.spec, device="meta", state_dict=tower.state)
    for name, settings in METHODS.items():
        method, state = methods.build(name, settings, clip), DevicePixels(LARGE)
        with Watch(), torch.inference_mode():
            text = method.text_features("bottle")
        for first in (True, False):  # the first batch of a process uploads what stays
            with Watch() as watch, torch.inference_mode():
                masks = DeviceMasks.of(regions, META)
                scores = method.score(clip.encode_image(images, method.taps), text)
                small_maps(scores.maps)
                state.update(scores.maps, masks)
            assert watch.down == 0
            assert first or watch.waits == 0, name
            assert images.nbytes <= watch.up
            assert first or watch.up < 4 * images.nbytes
        with Watch() as watch:
            state._kept[0].keys.cpu()
        assert (watch.waits, watch.down) == (1, 4 * tower.size**2 * 4)  # what is counted is seen
