"""A loaded CLIP: frozen image and text towers, how they come from a `TowerSpec`, the digest that names them.

All is float32, but for the image blocks of a tower of lower precision. Position embeddings are carried from
the grid of the pretraining to the grid of the input.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import cached_property
from math import isqrt
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.clip.architecture import build_model, read_config
from pipeline.clip.spec import Tap, TowerSpec
from pipeline.clip.tensors import read_state_dict
from pipeline.clip.text import TextTower
from pipeline.clip.vision import VisionTower
from pipeline.errors import ParamsError, WeightsError
from pipeline.files import value_digest
from pipeline.settings import patches_per_side

Features = Mapping[Tap, Tensor]


class Clip:
    """Frozen towers of one `TowerSpec`; see `load_clip`.

    Attributes:
        spec: What was asked for.
        vision: The image tower.
        text: The text tower.
        embed_dim: Channels of the joint space.
        mlp_ratio: How many times as wide as a token the wide layer of an image block is.
        device: Where the weights lie and every result appears.
    """

    def __init__(self, spec: TowerSpec, config: Mapping[str, Any], model: Any, vision: VisionTower) -> None:
        self.spec = spec
        self.vision = vision
        self.text = TextTower(model)
        self.embed_dim = int(model.text_projection.shape[1])
        self.device: torch.device = model.text_projection.device
        self.mlp_ratio = float(config["vision_cfg"].get("mlp_ratio", 4))
        self._config = {key: config[key] for key in ("vision_cfg", "text_cfg")}
        self._state: dict[str, Tensor] = model.state_dict()

    @torch.no_grad()
    def encode_image(self, images: Tensor, taps: frozenset[Tap]) -> dict[Tap, Tensor]:
        """One pass over a batch, however many taps.

        Args:
            images: uint8 (B, S, S, 3) RGB with S the tower's image size; normalised inside.
            taps: What to read.

        Returns:
            One float32 tensor a tap; shapes are those of the taps' classes.
        """
        size = self.spec.image_size
        if images.dtype != torch.uint8 or tuple(images.shape[1:]) != (size, size, 3):
            raise ValueError(
                f"expected uint8 (B, {size}, {size}, 3), got {images.dtype} {tuple(images.shape)}"
            )
        with _tf32() if self.spec.precision == "tf32" else nullcontext():
            return self.vision.read(images.to(self.device, non_blocking=True), taps)

    @property
    def weights(self) -> tuple[Tensor, ...]:
        """Its weights, image and text side."""
        return tuple(self._state.values())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the weights' content and of the rules they run under; no path or file format enters."""
        tensors = hashlib.sha256()
        for name, tensor in sorted(self._state.items()):
            tensors.update(f"{name} {tuple(tensor.shape)}\n".encode())
            tensors.update(tensor.float().contiguous().cpu().numpy().tobytes())
        rules = {
            key: value for key, value in asdict(self.spec).items() if key not in {"name", "model", "weights"}
        }
        return value_digest({"weights": tensors.hexdigest(), "config": self._config, **rules})


@contextmanager
def _tf32() -> Iterator[None]:
    """CUDA's float32 matrix products inside are TF32; torch has one switch for a whole process."""
    products = torch.backends.cuda.matmul
    before, products.allow_tf32 = products.allow_tf32, True
    try:
        yield
    finally:
        products.allow_tf32 = before


def fit_positions(positions: Tensor, grid: int, spec: TowerSpec) -> Tensor:
    """Interpolate the rows of the patches; the row of the class token stays as it is.

    Args:
        positions: (1 + n², W), class token first.
        grid: Patches a side of the input.
        spec: Gives the rule.

    Returns:
        (1 + grid², W).

    Raises:
        ParamsError: the rule is `native` and the grids differ.
    """
    native = isqrt(positions.shape[0] - 1)
    if native == grid:
        return positions
    if spec.position == "native":
        raise ParamsError(
            f"towers.{spec.name}.image_size: {spec.image_size} px are {grid} patches a side, the weights have"
            f" {native}; with position: native they must agree"
        )
    square = positions[1:].T.reshape(1, -1, native, native)
    resized = functional.interpolate(
        square,
        size=(grid, grid),
        mode=spec.position,
        align_corners=False,
        antialias=spec.position == "bicubic",
    )
    return torch.cat([positions[:1], resized.flatten(2)[0].T])


def load_clip(spec: TowerSpec, device: str = "cpu", state_dict: Mapping[str, Tensor] | None = None) -> Clip:
    """Load a tower: frozen, in evaluation mode, in the spec's precision whatever the file holds.

    Args:
        spec: Model, weights and rules.
        device: A torch device.
        state_dict: Weights that somebody has read already; `spec.weights` is then left alone.

    Raises:
        ParamsError: the spec asks for a model or a size that cannot be.
        WeightsError: the weights are missing, damaged or of another model.
    """
    config = read_config(spec.model)
    state = dict(read_state_dict(spec.model, spec.weights) if state_dict is None else state_dict)
    model = build_model(config, spec.activation, device="meta")
    _check_fit(model, state, spec)
    model.load_state_dict({name: tensor.float() for name, tensor in state.items()}, assign=True)
    model.attn_mask = (
        None  # holds no values on `meta`; the passes of this package ask for a causal mask by name
    )
    model = model.to(device).eval().requires_grad_(False)
    if spec.precision != "tf32":
        _lower_blocks(model.visual, getattr(torch, spec.precision))
    grid = _grid(spec, int(model.visual.patch_size[0]))
    positions = fit_positions(model.visual.positional_embedding, grid, spec)
    return Clip(spec, config, model, VisionTower(model.visual, positions, grid))


def _grid(spec: TowerSpec, patch: int) -> int:
    try:
        return patches_per_side(spec.image_size, patch)
    except ValueError as error:
        raise ParamsError(f"towers.{spec.name}.{error}") from None


def _lower_blocks(visual: Any, dtype: torch.dtype) -> None:
    """Put the matrices of the image blocks into `dtype`; their layer norms stay float32."""
    for block in visual.transformer.resblocks:
        block.attn.to(dtype)
        block.mlp.to(dtype)


def _check_fit(model: Any, state: Mapping[str, Tensor], spec: TowerSpec) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        name, shown = wrong[0], ascii(wrong[0])[1:-1]
        raise WeightsError(
            f"{spec.weights} does not fit model {spec.model}: {shown:.80} is {found.get(name, 'missing')},"
            f" expected {expected.get(name, 'no such weight')} ({len(wrong)} weights differ)"
        )
