"""What a method reads from the image tower. One pass serves any set of taps; equal taps are computed once.

Blocks are numbered from 1, as in the papers.
"""

from dataclasses import dataclass
from typing import Literal

Stream = Literal["qk", "vv", "qq", "kk"]


@dataclass(frozen=True)
class Global:
    """The class token after the last block, projected: (B, D). `ln_post` as in CLIP; AnomalyCLIP has none."""

    ln_post: bool = True


@dataclass(frozen=True)
class Local:
    """The patch tokens of one stream after one block, class token dropped.

    Attributes:
        stream: `qk` is CLIP's own path. `vv`, `qq` and `kk` are AnomalyCLIP's diagonally prominent attention
            (paper section 3.3): from block `start` on, a copy of the tokens collects attention of the values
            under their own v·v, q·q or k·k similarity, and skips the MLPs.
        layer: Block whose output is read.
        start: First block of the extra stream; 1 for `qk`, which has none.
        projected: ln_post and projection to the joint space, (B, g·g, D); otherwise raw tokens, (B, g·g,
            width).
    """

    stream: Stream
    layer: int
    start: int = 1
    projected: bool = True

    def __post_init__(self) -> None:
        if self.stream == "qk" and self.start != 1:
            raise ValueError("the qk stream has no start: it is the tower's own path")
        if not 1 <= self.start <= self.layer:
            raise ValueError(f"block {self.layer} lies before block {self.start}, where the stream starts")


@dataclass(frozen=True)
class Windows:
    """WinCLIP's window embeddings: every size x size window of patches, stride 1, row-major.

    Each is (B, (g - size + 1)², D): the class token of a pass over itself and the window's patches only.
    """

    size: int


Tap = Global | Local | Windows
