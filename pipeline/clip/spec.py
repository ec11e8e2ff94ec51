"""What a tower is and what is read from it: one frozen CLIP at one resolution, and taps of its image side.

The activation and the position rule belong to the method and are never read from the weights: VAND runs
OpenAI's QuickGELU weights with exact GELU, and its published numbers are those of that network. One pass
serves any set of taps; equal taps are computed once. Blocks are numbered from 1, as in the papers.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from pipeline.errors import ParamsError

Position = Literal["bilinear", "bicubic", "native"]
Activation = Literal["quickgelu", "gelu"]
Precision = Literal["float32", "tf32", "bfloat16", "float16"]

Stream = Literal["qk", "vv", "qq", "kk"]


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
            `tf32` rounds what goes into a product to 10 bits, on an NVIDIA GPU since Ampere, the projection's
            too; elsewhere it is float32.

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


@dataclass(frozen=True)
class Global:
    """The class token of CLIP's own path.

    Attributes:
        ln_post: Whether it passes the tower's last norm, as in CLIP; AnomalyCLIP's does not.
        layer: Block whose output is read; None is the last one.
        projected: To the joint space, (B, D); otherwise (B, width).
    """

    ln_post: bool = True
    layer: int | None = None
    projected: bool = True

    def __post_init__(self) -> None:
        if self.layer is not None and self.layer < 1:
            raise ValueError(f"there is no block {self.layer}: blocks are counted from 1")


@dataclass(frozen=True)
class Local:
    """The tokens of one stream after one block.

    Attributes:
        stream: `qk` is CLIP's own path. `vv`, `qq` and `kk` are AnomalyCLIP's diagonally prominent attention
            (paper section 3.3): from block `start` on, a copy of the tokens collects attention of the values
            under their own v·v, q·q or k·k similarity, and skips the MLPs.
        layer: Block whose output is read.
        start: First block of the extra stream; 1 for `qk`, which has none.
        projected: ln_post and projection to the joint space, (B, g·g, D); otherwise (B, g·g, width).
        normed: Whether tokens that are not projected pass ln_post; otherwise they are the block's raw output.
        class_token: Whether the class token is kept, in front of the patches.
    """

    stream: Stream
    layer: int
    start: int = 1
    projected: bool = True
    normed: bool = False
    class_token: bool = False

    def __post_init__(self) -> None:
        if self.stream == "qk" and self.start != 1:
            raise ValueError("the qk stream has no start: it is the tower's own path")
        if not 1 <= self.start <= self.layer:
            raise ValueError(f"block {self.layer} lies before block {self.start}, where the stream starts")
        if self.projected and self.normed:
            raise ValueError("projected tokens always pass ln_post: `normed` is for those that are not")


@dataclass(frozen=True)
class Windows:
    """WinCLIP's window embeddings: every size x size window of patches, stride 1, row-major.

    Each is (B, (g - size + 1)², D): the class token of a pass over itself and the window's patches only.
    """

    size: int


Tap = Global | Local | Windows
