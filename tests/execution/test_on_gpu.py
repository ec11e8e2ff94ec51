"""What needs a CUDA device: evaluation, training and precision there, and that they wait for nothing.

None of it runs without one. On any machine `benchmarks.standin` counts waits and `test_counts` compares bits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import methods
from pipeline.clip import Clip, Global, Local, Tap, load_clip
from pipeline.clip.spec import Precision
from pipeline.execution.counts import DevicePixels
from pipeline.execution.device_masks import DeviceMasks
from pipeline.execution.examples import small_maps
from pipeline.methods.base import LearntMethod
from pipeline.metrics import label_masks
from pipeline.results import METRICS
from pipeline.training import collect_features, fit
from tests.clip.towers import make_tower, random_images
from tests.execution.running import evaluate, forget
from tests.project import Project
from tests.training.test_fit import SETTINGS, auxiliary_set

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

TAPS: frozenset[Tap] = frozenset([Global(), Local("qk", 6), Local("vv", 6, 3)])


@contextmanager
def no_wait() -> Iterator[None]:
    """An error where the processor waits for the device."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("backend", ["serial", "ray"])
def test_an_evaluation_on_a_gpu_is_near_that_on_the_cpu(trained: Project, backend: str) -> None:
    assert evaluate().complete
    expected = {row.name: row for row in trained.rows()}
    forget(trained)
    trained.set_param("compute.backend", backend)
    trained.set_param("compute.gpus", 1)
    assert evaluate().complete
    for row in trained.rows():
        for name in METRICS:
            assert getattr(row, name) == pytest.approx(getattr(expected[row.name], name), abs=5e-3), row.name


def test_a_shortage_of_its_memory_takes_a_smaller_batch(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained.set_param("compute.gpus", 1)
    encode, total = Clip.encode_image, torch.cuda.get_device_properties(0).total_memory

    def hungry(clip: Clip, images: torch.Tensor, taps: frozenset[Tap]) -> dict[Tap, torch.Tensor]:
        torch.empty(total // 4 * len(images), dtype=torch.uint8, device=clip.device)
        return encode(clip, images, taps)

    monkeypatch.setattr(Clip, "encode_image", hungry)
    summary = evaluate()
    assert summary.complete, summary.lines()
    assert any("batch halved" in note for note in summary.notes)


@pytest.mark.parametrize(
    ("precision", "distance"), [("float32", 1e-3), ("tf32", 1e-2), ("float16", 1e-2), ("bfloat16", 5e-2)]
)
def test_a_pass_is_near_that_on_the_cpu(tmp_path: Path, precision: Precision, distance: float) -> None:
    tower, images = make_tower(tmp_path), random_images(4, 48)
    clip = load_clip(replace(tower.clip.spec, precision=precision), "cuda", tower.state)
    expected, found = tower.clip.encode_image(images, TAPS), clip.encode_image(images, TAPS)
    for tap, values in expected.items():
        apart = torch.linalg.norm(found[tap].cpu() - values) / torch.linalg.norm(values)
        assert apart < distance


def test_a_batch_waits_for_nothing(tmp_path: Path) -> None:
    tower = make_tower(tmp_path)
    clip = load_clip(tower.clip.spec, "cuda", tower.state)
    method = methods.build("anomalyclip", {"layers": [6], "dpam_start": 3, "deep_layers": 4}, clip)
    masks = np.zeros((4, tower.size, tower.size), np.uint8)
    masks[:2, 5:20, 9:30] = 1
    regions, state = label_masks(masks), DevicePixels(1 << 40)
    images = random_images(4, tower.size).pin_memory()
    text = method.text_features("bottle")

    def batch() -> None:
        with torch.inference_mode():
            there = DeviceMasks.of(regions, clip.device)
            scores = method.score(clip.encode_image(images, method.taps), text)
            small_maps(scores.maps)
            state.update(scores.maps, there)

    batch()  # kernels are loaded, and what stays is uploaded
    with no_wait():
        batch()
    assert len(state.sketches) == 8


@pytest.mark.parametrize("name", SETTINGS)
def test_a_training_repeats_bit_for_bit_and_keeps_its_features_there(tmp_path: Path, name: str) -> None:
    tower = make_tower(tmp_path)
    clip = load_clip(tower.clip.spec, "cuda", tower.state)
    method = methods.build(name, SETTINGS[name], clip)
    assert isinstance(method, LearntMethod)
    cache = collect_features(clip, auxiliary_set(tower.size), method.loss_taps)
    assert {values.device.type for values in cache.features.values()} == {"cuda"}
    histories, states = [], []
    for _ in range(2):
        histories.append(fit(method, cache, seed=1))
        states.append(method.state())
    assert histories[0] == histories[1]
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key])
