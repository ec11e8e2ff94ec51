"""The frozen CLIP towers on open_clip: loading, positions, taps inside the blocks, learnable text tokens.

Importing this package does not import torch; `load_clip` and `Clip` do when they are first asked for. Nothing
outside this package imports open_clip or torchvision.
"""

from typing import TYPE_CHECKING, Any

from pipeline.clip.spec import Global, Local, Stream, Tap, TowerSpec, Windows

if TYPE_CHECKING:
    from pipeline.clip.loading import load_clip
    from pipeline.clip.model import Clip, Features

__all__ = ["Clip", "Features", "Global", "Local", "Stream", "Tap", "TowerSpec", "Windows", "load_clip"]

_LATE = {"load_clip": "loading", "Clip": "model", "Features": "model"}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
