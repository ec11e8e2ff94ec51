"""How many images fit a GPU at once: by its size and the tower's shapes, and no GPU takes part."""

from types import SimpleNamespace

import pytest
import torch

from pipeline.clip import Clip, Global, Local, Tap, TowerSpec, load_clip
from pipeline.clip.architecture import build_model, read_config
from pipeline.clip.memory import fitting_batch, pass_bytes

TAPS: frozenset[Tap] = frozenset({Global(), *(Local("qk", layer) for layer in (6, 12, 18, 24))})


@pytest.fixture(scope="module")
def clip() -> Clip:
    """The paper's tower without values."""
    spec = TowerSpec("main", "ViT-L-14-336", "", 518, "bilinear", "quickgelu")
    state = build_model(read_config(spec.model), spec.activation, device="meta").state_dict()
    return load_clip(spec, device="meta", state_dict=state)


def use_gpu(monkeypatch: pytest.MonkeyPatch, gibibytes: float) -> None:
    known = SimpleNamespace(total_memory=int(gibibytes * 2**30))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: known)


@pytest.mark.parametrize("gibibytes", [4, 16, 24, 40, 80, 141])
@pytest.mark.parametrize("share", [1, 0.5])
def test_the_largest_power_of_two_within_a_quarter_of_the_workers_part(
    clip: Clip, monkeypatch: pytest.MonkeyPatch, gibibytes: float, share: float
) -> None:
    use_gpu(monkeypatch, gibibytes)
    batch = fitting_batch(clip, TAPS, share=share, most=4096)
    room, image = share * gibibytes * 2**30 / 4, pass_bytes(clip, TAPS)
    assert batch.bit_count() == 1
    assert batch * image <= room < 2 * batch * image


def test_at_most_as_many_as_asked_for_and_never_none(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    use_gpu(monkeypatch, 80)
    assert fitting_batch(clip, TAPS, share=1, most=100) == 64
    assert fitting_batch(clip, TAPS, share=None, most=100) == 100
    use_gpu(monkeypatch, 0.01)
    assert fitting_batch(clip, TAPS, share=1, most=256) == 1


def test_what_an_image_takes_is_at_least_its_tokens(clip: Clip) -> None:
    tokens, width = 37**2 + 1, 1024
    wide = tokens * 4 * width * 4  # bytes of the wide layer's input alone
    assert wide < pass_bytes(clip, frozenset({Global()})) < pass_bytes(clip, TAPS) < 10 * wide
