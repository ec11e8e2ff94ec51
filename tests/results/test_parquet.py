"""Reading leaves no thread behind that could outlive the interpreter, and notices damage."""

import io
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.results import SCHEMA_VERSION, ResultsError, parquet
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


def test_damage_is_noticed_wherever_it_is() -> None:
    """Every byte in turn. Parquet alone takes some for an empty table, or for other values."""
    table = pa.table({"name": ["a", "b", None], "score": [0.1, 0.7, 0.3]})
    content = parquet.to_bytes(table, {"row": "of zeros: " + "0" * 64})
    found, metadata = parquet.from_bytes(content, table.schema, "file")
    assert found.equals(table)
    assert metadata["row"].endswith("0" * 64)
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 0x55
        with pytest.raises(ResultsError):
            parquet.from_bytes(bytes(damaged), table.schema, "file")


def test_a_file_without_a_digest_is_refused() -> None:
    table = pa.table({"score": [0.1]})
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, table.schema, store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"zsad.schema_version": str(SCHEMA_VERSION)})
    with pytest.raises(ResultsError, match=r"file: damaged .* older than its digest"):
        parquet.from_bytes(sink.getvalue(), table.schema, "file")


FORGE = """
import io, resource
import pyarrow as pa
import pyarrow.parquet as pq
from pipeline.results import ResultsError, parquet

schema = pa.schema([("name", pa.string())])
word = pa.array(["x" * 100_000])
sink = io.BytesIO()
coded = pa.DictionaryArray.from_arrays(pa.array([0] * 60_000, pa.int32()), word)
coded_schema = pa.schema([("name", coded.type)])
with pq.ParquetWriter(sink, coded_schema, compression="zstd", store_schema=False) as writer:
    writer.write_table(pa.table({"name": coded}))
    version = str(parquet.SCHEMA_VERSION)
    writer.add_key_value_metadata({parquet._VERSION: version, parquet._DIGEST: parquet._BLANK})
content = sink.getvalue()
place = content.rindex(parquet._BLANK.encode())
content = content[:place] + parquet._sha256(content).encode() + content[place + 64 :]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    parquet.from_bytes(content, schema, "forged")
except ResultsError as error:
    print(error)
print(len(content), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_small_file_of_gigabytes_is_refused_without_them() -> None:
    """One word of 100 kB that stands there 60,000 times: 6 GB of rows."""
    done = subprocess.run([sys.executable, "-c", FORGE], cwd=ROOT, capture_output=True, text=True, check=True)
    message, sizes = done.stdout.splitlines()
    assert message == "forged: its rows take more than 512 MB; delete it and run again"
    size, kilobytes = map(int, sizes.split())
    assert size < 10_000
    assert kilobytes < 900_000
