"""The resolver of the group `missing`, for `dvc exp run`: hydra looks for plug-ins in this folder.

It moves data sets whose files are not here to `left_out`, or ends DVC with one message, before params.yaml is
written.
"""

import sys
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from pipeline import catalog
from pipeline.errors import ZsadError


def _missing(word: str, *, _root_: Any) -> str:
    try:
        absent = catalog.leave_out(_root_, stop=word == "stop")
    except ZsadError as error:
        sys.exit(f"error: {error}")
    if absent:  # evaluate depends on this folder, and perhaps nothing can be tuned
        (Path("weights") / _root_.profile).mkdir(parents=True, exist_ok=True)
    return word


OmegaConf.register_new_resolver("missing", _missing, replace=True)
