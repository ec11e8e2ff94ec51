"""Free memory between arrays that stay goes back to the system."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.execution import scoring


def anonymous() -> int:
    """Bytes of this process that no file stands for."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


@pytest.mark.skipif(scoring._TRIM is None, reason="another allocator than glibc's")
def test_holes_are_released() -> None:
    pieces, size = 500, 100_000  # below the size from which glibc maps an array by itself
    stay, go = [], []
    for _ in range(pieces):
        go.append(np.ones(size, np.uint8))
        stay.append(np.ones(1000, np.uint8))
    del go
    before = anonymous()
    scoring.release_memory()
    assert before - anonymous() > pieces * size / 2
    assert all(piece.all() for piece in stay)
