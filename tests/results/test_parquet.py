"""Reading leaves no thread behind that could outlive the interpreter."""

import subprocess
import sys
from pathlib import Path

import pytest

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
