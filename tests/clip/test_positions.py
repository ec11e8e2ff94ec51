"""Position embeddings on other grids."""

from pathlib import Path

import pytest
import torch

from pipeline.clip import TowerSpec
from pipeline.clip.architecture import import_open_clip
from pipeline.clip.model import fit_positions
from pipeline.clip.spec import Position
from pipeline.errors import ParamsError

from .reference import bilinear_positions, close
from .towers import SMALL, make_tower


def spec(position: Position) -> TowerSpec:
    return TowerSpec("main", "model", "weights.pt", 518, position, "gelu")


@pytest.mark.parametrize(("native", "grid"), [(5, 6), (5, 13), (9, 14), (6, 4)])
def test_bilinear_matches_cell_by_cell_interpolation(native: int, grid: int) -> None:
    positions = torch.randn(1 + native**2, 3, generator=torch.Generator().manual_seed(0))
    got = fit_positions(positions, grid, spec("bilinear"))
    close(got, bilinear_positions(positions.double(), grid))
    assert torch.equal(got[0], positions[0])


@pytest.mark.parametrize("grid", [6, 13, 4])
def test_bicubic_is_open_clips_own(tmp_path: Path, grid: int) -> None:
    tower = make_tower(tmp_path, size=grid * 8, position="bicubic")
    state = dict(tower.state)

    class Model:
        visual = type("Visual", (), {"grid_size": (grid, grid)})()

    import_open_clip().model.resize_pos_embed(state, Model(), antialias=True)
    got = fit_positions(tower.state["visual.positional_embedding"], grid, spec("bicubic"))
    close(got, state["visual.positional_embedding"])


def test_equal_grids_change_nothing() -> None:
    positions = torch.randn(26, 3)
    for position in ("bilinear", "bicubic", "native"):
        assert torch.equal(fit_positions(positions, 5, spec(position)), positions)


def test_native_refuses_another_size(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"towers\.main\.image_size: 48 px are 6 patches a side"):
        make_tower(tmp_path, size=48, position="native")


def test_less_than_a_patch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"towers\.main\.image_size: 7 px are no multiple of the patch"):
        make_tower(tmp_path, size=SMALL.patch - 1)


def test_a_size_that_the_patch_does_not_divide_is_refused(tmp_path: Path) -> None:
    patch = SMALL.patch
    message = rf"image_size: {5 * patch - 1} px .* the nearest sizes are {4 * patch} or {5 * patch}"
    with pytest.raises(ParamsError, match=message):
        make_tower(tmp_path, size=5 * patch - 1)
