"""The frozen CLIP towers on open_clip: loading, positions, taps inside the blocks, learnable text tokens.

Importing this package does not import torch; `load_clip` and `Clip` do when they are first asked for. Nothing
outside this package imports open_clip or torchvision.
"""

from typing import TYPE_CHECKING, Any

from pipeline.clip.spec import Global, Local, Stream, Tap, TowerSpec, Windows

if TYPE_CHECKING:
    from pipeline.clip.model import Clip, Features, load_clip

__all__ = ["Clip", "Features", "Global", "Local", "Stream", "Tap", "TowerSpec", "Windows", "load_clip"]

_LATE = ("Clip", "Features", "load_clip")


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pipeline.clip import model

    return getattr(model, name)
