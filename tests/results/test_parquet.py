"""Reading leaves no thread behind that could outlive the interpreter, and notices damage."""

import contextlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.results import ResultsError, parquet
from tests.project import ROOT

READ = """
import os
import pyarrow as pa
from pipeline.results import parquet

table = pa.table({name: range(9) for name in "abc"})
content = parquet.to_bytes(table, {})
before = len(os.listdir("/proc/self/task"))
assert parquet.from_bytes(content, table.schema, "file")[0].equals(table)
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted under /proc")
def test_reading_starts_no_thread() -> None:
    done = subprocess.run([sys.executable, "-c", READ], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


def test_a_flipped_byte_of_the_rows_never_gives_other_values() -> None:
    """Scores hardly compress, so their page holds their bytes as they are: only its checksum tells."""
    table = pa.table({"score": np.random.default_rng(0).random(32)})
    content = parquet.to_bytes(table, {})
    rows = len(content) - 8 - int.from_bytes(content[-8:-4], "little")  # behind them the footer
    for place in range(rows):
        damaged = bytearray(content)
        damaged[place] ^= 0x10
        with contextlib.suppress(ResultsError):
            assert parquet.from_bytes(bytes(damaged), table.schema, "file")[0].equals(table), place
