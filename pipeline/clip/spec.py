"""What a tower is: one frozen CLIP at one resolution, with the rules that a method's code ran it under.

The activation and the position rule belong to the method and are never read from the weights: VAND runs
OpenAI's QuickGELU weights with exact GELU, and its published numbers are those of that network.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from pipeline.errors import ParamsError

Position = Literal["bilinear", "bicubic", "native"]
Activation = Literal["quickgelu", "gelu"]
Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class TowerSpec:
    """A tower of `params.yaml`.

    Attributes:
        name: Key under `towers`.
        model: Name of an open_clip model, or path of a JSON file in open_clip's model config format.
        weights: Path of a `.safetensors`, `.pt`, `.pth` or `.bin` file, or an open_clip tag such as `openai`.
        image_size: Side of the square input in pixels.
        position: How position embeddings reach the input's patch grid. `bilinear`: corners not aligned, no
            antialias (AnomalyCLIP); `bicubic`: with antialias (VAND); `native`: the input has the pretraining
            size (WinCLIP).
        activation: `quickgelu`, x·sigmoid(1.702 x), or exact `gelu`, in both towers.
        precision: Of the matrix products in the image tower's blocks, the only part that costs time. The
            residual stream, the layer norms, the projection and the text tower are float32 in any case.

    Raises:
        ParamsError: a value is outside its range.
    """

    name: str
    model: str
    weights: str
    image_size: int
    position: Position
    activation: Activation
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        choices = {"position": Position, "activation": Activation, "precision": Precision}
        for key, choice in choices.items():
            allowed = get_args(choice)
            if getattr(self, key) not in allowed:
                value = getattr(self, key)
                raise ParamsError(f"towers.{self.name}.{key}: {value!r} is not one of {', '.join(allowed)}")
        if self.image_size < 1:
            raise ParamsError(
                f"towers.{self.name}.image_size: {self.image_size} is not a positive number of pixels"
            )
