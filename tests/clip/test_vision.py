"""The image tower against a written-out forward, open_clip's own forward, and itself in other batches."""

from pathlib import Path

import pytest
import torch

from pipeline.clip import Global, Local, Tap, Windows
from pipeline.clip.architecture import build_model
from pipeline.clip.spec import Activation

from .reference import ImagePass, bilinear_positions, close, doubled, embed, layer_norm
from .towers import SMALL, Tower, make_tower, random_images

START = 3


def passes(tower: Tower, images: torch.Tensor, start: int | None = None) -> list[ImagePass]:
    w = doubled(tower.state)
    grid = tower.size // tower.shape.patch
    positions = bilinear_positions(w["visual.positional_embedding"], grid)
    return [
        ImagePass(
            embed(image, w, tower.shape.patch, positions),
            w,
            blocks=tower.shape.blocks,
            head_width=tower.shape.head_width,
            activation=tower.clip.spec.activation,
            start=start,
        )
        for image in images
    ]


@pytest.mark.parametrize("activation", ["quickgelu", "gelu"])
def test_own_path_matches_written_out_forward(tmp_path: Path, activation: Activation) -> None:
    tower = make_tower(tmp_path, activation=activation)
    images = random_images(2, tower.size)
    raw, projected = Local("qk", 4, projected=False), Local("qk", 6)
    got = tower.clip.encode_image(images, frozenset([Global(), Global(ln_post=False), raw, projected]))
    for row, expected in enumerate(passes(tower, images)):
        close(got[Global()][row], expected.head(ln_post=True))
        close(got[Global(ln_post=False)][row], expected.head(ln_post=False))
        close(got[raw][row], expected.o[4][1:])
        close(got[projected][row], expected.projected(expected.o[6]))


def test_class_tokens_and_ends_of_any_block_match_written_out_forward(tmp_path: Path) -> None:
    tower = make_tower(tmp_path)
    images, w = random_images(2, tower.size), doubled(tower.state)

    def normed(tokens: torch.Tensor) -> torch.Tensor:
        return layer_norm(tokens, w, "visual.ln_post")

    def ends(one: ImagePass) -> dict[Tap, torch.Tensor]:
        projection, vv = w["visual.proj"], one.streams["vv"][5]
        return {
            Global(layer=3): normed(one.o[3][0]) @ projection,
            Global(ln_post=False, layer=6): one.o[6][0] @ projection,
            Global(layer=2, projected=False): normed(one.o[2][0]),
            Global(ln_post=False, layer=4, projected=False): one.o[4][0],
            Local("qk", 3, class_token=True): normed(one.o[3]) @ projection,
            Local("qk", 4, projected=False, class_token=True): one.o[4],
            Local("qk", 5, projected=False, normed=True): normed(one.o[5][1:]),
            Local("vv", 5, START, projected=False, normed=True, class_token=True): normed(vv),
        }

    expected = [ends(one) for one in passes(tower, images, START)]
    got = tower.clip.encode_image(images, frozenset(expected[0]))
    for row, wanted in enumerate(expected):
        for tap, value in wanted.items():
            close(got[tap][row], value)


def test_an_inner_class_token_runs_no_block_above_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tower = make_tower(tmp_path)
    for block in tower.clip.vision._blocks[4:]:
        monkeypatch.setattr(block, "ln_1", None)  # would be called
    taps: frozenset[Tap] = frozenset([Global(layer=4), Local("qk", 3)])
    assert tower.clip.encode_image(random_images(1, tower.size), taps).keys() == taps


@pytest.mark.parametrize("stream", ["vv", "qq", "kk"])
def test_extra_streams_match_written_out_forward(tmp_path: Path, stream: str) -> None:
    tower = make_tower(tmp_path)
    images = random_images(2, tower.size)
    kind = {"vv": "vv", "qq": "qq", "kk": "kk"}[stream]
    taps = {layer: Local(kind, layer, START) for layer in (3, 5, 6)}  # type: ignore[arg-type]
    got = tower.clip.encode_image(images, frozenset(taps.values()))
    for row, expected in enumerate(passes(tower, images, START)):
        for layer, tap in taps.items():
            close(got[tap][row], expected.projected(expected.streams[kind][layer]))


def test_streams_differ_from_each_other(tmp_path: Path) -> None:
    tower = make_tower(tmp_path)
    taps: list[Tap] = [
        Local("qk", 6),
        *(Local(kind, 6, START) for kind in ("vv", "qq", "kk")),
        Local("vv", 6, 4),
    ]
    got = tower.clip.encode_image(random_images(1, tower.size), frozenset(taps))
    for one in range(len(taps)):
        for other in range(one):
            assert (got[taps[one]] - got[taps[other]]).abs().max() > 1e-3


def test_one_pass_for_all_taps_equals_a_pass_for_each(tmp_path: Path) -> None:
    tower = make_tower(tmp_path)
    images = random_images(2, tower.size)
    taps: list[Tap] = [
        Global(),
        Local("qk", 3),
        Local("vv", 6, 2),
        Local("vv", 5, 4),
        Local("kk", 4, 4),
        Windows(2),
    ]
    together = tower.clip.encode_image(images, frozenset(taps))
    for tap in taps:
        assert torch.equal(together[tap], tower.clip.encode_image(images, frozenset([tap]))[tap])


def test_windows_match_passes_over_single_windows(tmp_path: Path) -> None:
    tower = make_tower(tmp_path, size=40)
    image = random_images(1, tower.size)
    w = doubled(tower.state)
    tokens = embed(image[0], w, tower.shape.patch, w["visual.positional_embedding"])
    for size in (2, 3):
        got = tower.clip.encode_image(image, frozenset([Windows(size)]))[Windows(size)][0]
        expected = []
        for top in range(5 - size + 1):
            for left in range(5 - size + 1):
                inside = [1 + (top + y) * 5 + left + x for y in range(size) for x in range(size)]
                short = ImagePass(tokens[[0, *inside]], w, blocks=6, head_width=16, activation="quickgelu")
                expected.append(layer_norm(short.o[-1][0], w, "visual.ln_post") @ w["visual.proj"])
        close(got, torch.stack(expected))


@pytest.mark.parametrize("activation", ["quickgelu", "gelu"])
def test_class_token_equals_open_clips_own_forward(tmp_path: Path, activation: Activation) -> None:
    tower = make_tower(tmp_path, size=40, position="native", activation=activation)
    images = random_images(3, 40)
    model = build_model(SMALL.config(), activation).eval()
    model.load_state_dict(tower.state)
    mean, std = model.visual.conv1.weight.new_tensor(
        [[0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]]
    )
    with torch.no_grad():
        expected = model.encode_image(((images / 255 - mean) / std).permute(0, 3, 1, 2))
    close(tower.clip.encode_image(images, frozenset([Global()]))[Global()], expected)


def test_features_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    tower = make_tower(tmp_path)
    images = random_images(5, tower.size)
    taps: frozenset[Tap] = frozenset([Global(), Local("vv", 6, START), Windows(2)])
    whole = tower.clip.encode_image(images, taps)
    for row in range(5):
        alone = tower.clip.encode_image(images[row : row + 1], taps)
        for tap in taps:
            close(alone[tap][0], whole[tap][row], 1e-6)


def test_images_of_another_size_or_type_are_refused(tmp_path: Path) -> None:
    tower = make_tower(tmp_path)
    with pytest.raises(ValueError, match="48, 48, 3"):
        tower.clip.encode_image(random_images(1, 40), frozenset([Global()]))
    with pytest.raises(ValueError, match="uint8"):
        tower.clip.encode_image(random_images(1, 48).float(), frozenset([Global()]))


def test_impossible_taps_are_refused() -> None:
    with pytest.raises(ValueError, match="no start"):
        Local("qk", 6, 3)
    with pytest.raises(ValueError, match="block 2 lies before block 3"):
        Local("vv", 2, 3)
    with pytest.raises(ValueError, match="no block 0"):
        Global(layer=0)
    with pytest.raises(ValueError, match="always pass ln_post"):
        Local("qk", 6, normed=True)
