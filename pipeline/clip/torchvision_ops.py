"""Lets open_clip import on a torchvision whose compiled operators do not load beside a CPU build of torch.

torchvision registers fake kernels for `nms` and `qnms` at import and fails when the operators are unknown.
Declaring their schemas is enough: nothing here calls them. A torchvision that matches its torch keeps its own
operators.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import torch

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[torch.library.Library] = []  # a library's operators go when its object goes


def _load_compiled() -> bool:
    spec = find_spec("torchvision")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    for library in (file for folder in folders for file in sorted(folder.glob("_C*.so"))):
        try:
            torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
        except OSError:
            continue
        return True
    return False


def import_open_clip() -> ModuleType:
    """The module open_clip, its operators declared first where they have to be."""
    if not _declared and not _load_compiled():
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            if not hasattr(torch.ops.torchvision, name):
                library.define(name + _SCHEMA)  # type: ignore[no-untyped-call]
        _declared.append(library)
    return import_module("open_clip")
