"""Reading leaves no thread behind that could outlive the interpreter, and notices damage."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
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


def test_a_flipped_byte_of_a_value_is_refused() -> None:
    """In the middle of a column only its page's checksum tells: the bytes still unpack, to other values."""
    table = pa.table({"score": np.random.default_rng(0).random(256)})
    content = parquet.to_bytes(table, {})
    column = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(0).column(0)
    third = column.total_compressed_size // 3
    for place in range(column.dictionary_page_offset + third, column.dictionary_page_offset + 2 * third, 7):
        damaged = bytearray(content)
        damaged[place] ^= 0x10
        with pytest.raises(ResultsError, match="damaged Parquet file"):
            parquet.from_bytes(bytes(damaged), table.schema, "file")
