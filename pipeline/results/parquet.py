"""Parquet in one way: the same rows give the same bytes, and reading accepts the declared columns only.

No pandas or Arrow schema is embedded (their versions would be part of the bytes). The footer holds the schema
version, what the caller names, a digest of the whole file, because Parquet itself does not notice every
flipped byte, and pyarrow's own version, which is why the lock pins that.


Reading results back: the files of a profile as one pandas table, checked against the declared columns.

Numbers have pandas' nullable types, so that an undefined metric is `pd.NA` and cannot pass for a number.
"""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.results.records import ROW_FIELDS, CellRow
from pipeline.results.schema import (
    EXAMPLES_SCHEMA,
    METRICS_SCHEMA,
    SCHEMA_VERSION,
    SCORES_SCHEMA,
    ResultsError,
)

if TYPE_CHECKING:
    import pandas as pd

_VERSION: Final = "zsad.schema_version"
_DIGEST: Final = "zsad.sha256"
_BLANK: Final = "0" * 64  # stands where the digest goes while it is computed


def to_bytes(table: pa.Table, metadata: Mapping[str, str]) -> bytes:
    """The Parquet file of `table` (zstd, one row group), with schema version and `metadata` in its footer.

    Pages carry checksums too, for other readers.
    """
    sink = io.BytesIO()
    options: dict[str, Any] = {
        "compression": "zstd",
        "store_schema": False,
        "write_page_checksum": True,
        # Statistics of bytes would repeat two whole heatmaps, uncompressed.
        "write_statistics": [field.name for field in table.schema if not pa.types.is_binary(field.type)],
    }
    with pq.ParquetWriter(sink, table.schema, **options) as writer:
        writer.write_table(table)
        # Metadata on the schema itself would be dropped without a word, since the schema is not stored.
        writer.add_key_value_metadata({_VERSION: str(SCHEMA_VERSION), **metadata, _DIGEST: _BLANK})
    content = sink.getvalue()
    place = content.rindex(_BLANK.encode())
    return content[:place] + _sha256(content).encode() + content[place + len(_BLANK) :]


def from_bytes(content: bytes, schema: pa.Schema, source: str) -> tuple[pa.Table, dict[str, str]]:
    """Table and footer metadata of a Parquet file made by `to_bytes`.

    Args:
        content: the whole file.
        schema: the columns that the file must have: names, order, types, nullability.
        source: name of the file for messages.

    Raises:
        ResultsError: the file is damaged, of another schema version, or has other columns.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        # A thread of Arrow's that lets go of Python's bytes while the interpreter ends would abort it.
        table = file.read(use_threads=False)
        footer = file.metadata.metadata or {}
        metadata = {key.decode(): value.decode() for key, value in footer.items()}
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ResultsError(
            f"{source}: damaged Parquet file ({_first_line(error)}); delete it and run again"
        ) from error
    if (version := metadata.get(_VERSION)) != str(SCHEMA_VERSION):
        raise ResultsError(
            f"{source}: schema version {version}, this code has {SCHEMA_VERSION}; delete it and run again"
        )
    digest = metadata.pop(_DIGEST, "")
    if len(digest) != len(_BLANK) or digest != _sha256(content.replace(digest.encode(), _BLANK.encode())):
        raise ResultsError(
            f"{source}: damaged Parquet file (not what was written, or older than its digest); "
            "delete it and run again"
        )
    if not table.schema.equals(schema):
        unlike = [field.name for field in schema if field not in list(table.schema)]
        raise ResultsError(
            f"{source}: its columns are not those of this version (see {unlike or table.column_names})"
        )
    return table.replace_schema_metadata(None), metadata


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _pandas_type(arrow: pa.DataType) -> Any:
    import pandas as pd  # half a second, and writing results does not need it

    types = {
        pa.int8(): pd.Int8Dtype(),
        pa.int32(): pd.Int32Dtype(),
        pa.int64(): pd.Int64Dtype(),
        pa.float64(): pd.Float64Dtype(),
        pa.string(): pd.StringDtype(),
    }
    return types.get(arrow)


def read_metrics(folder: Path) -> "pd.DataFrame":
    """One row a cell, sorted by data set, subset, method, variant and seed.

    Args:
        folder: such as `results/miniature/metrics`.

    Raises:
        ResultsError: there are no results, or a file is damaged or of another schema version.
    """
    return _read(folder, METRICS_SCHEMA)


def read_scores(folder: Path) -> "pd.DataFrame":
    """One row an image and cell, sorted as `read_metrics` and then by image.

    Args:
        folder: such as `results/miniature/scores`.

    Raises:
        ResultsError: there are no results, or a file is damaged or of another schema version.
    """
    return _read(folder, SCORES_SCHEMA)


def read_examples(folder: Path) -> "pd.DataFrame":
    """One row an example and cell, sorted as `read_metrics` and then as prepared.

    Args:
        folder: such as `results/miniature/examples`.

    Raises:
        ResultsError: there are no results, or a file is damaged or of another schema version.
    """
    return _read(folder, EXAMPLES_SCHEMA)


def cell_rows(metrics: "pd.DataFrame") -> list[CellRow]:
    """The rows of a table from `read_metrics` as records: `None` instead of `pd.NA`, in the table's order.

    Raises:
        ResultsError: a row that no cell could have written.
    """
    columns = metrics[list(ROW_FIELDS)].astype(object)
    rows = columns.where(columns.notna(), None).itertuples(index=False, name=None)
    return [CellRow(**dict(zip(ROW_FIELDS, row, strict=True))) for row in rows]


def _read(folder: Path, schema: pa.Schema) -> "pd.DataFrame":
    files = sorted(folder.glob("*/*.parquet"))
    if not files:
        raise ResultsError(f"{folder}: no results here; run `dvc repro evaluate` first")
    table = pa.concat_tables([from_bytes(path.read_bytes(), schema, str(path))[0] for path in files])
    frame: pd.DataFrame = table.to_pandas(types_mapper=_pandas_type)
    return frame
