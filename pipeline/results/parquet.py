"""Parquet in one way: the same rows give the same bytes, and reading accepts the declared columns only.

No pandas or Arrow schema is embedded (their versions would be part of the bytes). The footer holds the schema
version, what the caller names, a digest of the whole file, because Parquet itself does not notice every
flipped byte, and pyarrow's own version, which is why the lock pins that. The footer is judged before a row is
read, and rows are read in batches up to a bound: a small file can say that it holds gigabytes. As one pandas
table, numbers have nullable types, so that an undefined metric is `pd.NA` and cannot pass for a number.
"""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import is_fault
from pipeline.files import NotAFileError, open_regular
from pipeline.results.records import ROW_FIELDS, CellRow
from pipeline.results.schema import (
    EXAMPLES_SCHEMA,
    METRICS_SCHEMA,
    SCHEMA_VERSION,
    SCORES_SCHEMA,
    SINCE,
    ResultsError,
)

if TYPE_CHECKING:
    import pandas as pd

_VERSION: Final = "zsad.schema_version"
_DIGEST: Final = "zsad.sha256"
_BLANK: Final = "0" * 64  # stands where the digest goes while it is computed
_READABLE: Final = {str(version) for version in range(min(SINCE.values()) - 1, SCHEMA_VERSION + 1)}
_LONGEST_FOOTER: Final = 16 << 20
_MOST_BYTES: Final = 512 << 20  # of the rows of a file; a million scores take 200 MB
_BATCH: Final = 1024  # rows


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
        file = pq.ParquetFile(pa.BufferReader(content), thrift_string_size_limit=_LONGEST_FOOTER)
        metadata = {key.decode(): value.decode() for key, value in (file.metadata.metadata or {}).items()}
        _require_ours(content, metadata, source)
        stored = _as_of(schema, int(metadata[_VERSION]))
        _require_columns(file.schema_arrow, stored, source)
        table = _completed(_rows(file, stored, source), schema)
    except (pa.ArrowException, OSError, ValueError) as error:
        if is_fault(error):
            raise
        raise ResultsError(
            f"{source}: damaged Parquet file ({_first_line(error)}); delete it and run again"
        ) from error
    del metadata[_DIGEST]
    return table, metadata


def _require_ours(content: bytes, metadata: Mapping[str, str], source: str) -> None:
    if (version := metadata.get(_VERSION)) not in _READABLE:
        raise ResultsError(
            f"{source}: schema version {version}, this code has {SCHEMA_VERSION}; delete it and run again"
        )
    digest = metadata.get(_DIGEST, "")
    if len(digest) != len(_BLANK) or digest != _sha256(content.replace(digest.encode(), _BLANK.encode())):
        raise ResultsError(
            f"{source}: damaged Parquet file (not what was written, or older than its digest); "
            "delete it and run again"
        )


def _as_of(schema: pa.Schema, version: int) -> pa.Schema:
    """`schema` without the columns that `version` did not have yet."""
    return pa.schema([field for field in schema if SINCE.get(field.name, 0) <= version])


def _require_columns(found: pa.Schema, schema: pa.Schema, source: str) -> None:
    if not found.equals(schema):
        unlike = [field.name for field in schema if field not in list(found)]
        raise ResultsError(
            f"{source}: its columns are not those of this version (see {unlike or found.names})"
        )


def _rows(file: pq.ParquetFile, schema: pa.Schema, source: str) -> pa.Table:
    batches, left = [], _MOST_BYTES
    # A thread of Arrow's that lets go of Python's bytes while the interpreter ends would abort it.
    for batch in file.iter_batches(batch_size=_BATCH, use_threads=False):
        left -= batch.nbytes
        if left < 0:
            raise ResultsError(
                f"{source}: its rows take more than {_MOST_BYTES >> 20} MB; delete it and run again"
            )
        batches.append(batch)
    return pa.Table.from_batches(batches, schema)


def _completed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """`table` with the columns of `schema` that it lacks, all null."""
    for field in schema:
        if field.name not in table.column_names:
            nulls = pa.nulls(len(table), field.type)
            table = table.add_column(schema.get_field_index(field.name), field, nulls)
    return table


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
    """One row per cell, sorted by data set, subset, method, variant and seed.

    Args:
        folder: such as `results/miniature/metrics`.

    Raises:
        ResultsError: there are no results, or a file is damaged or of another schema version.
    """
    return _read(folder, METRICS_SCHEMA)


def read_scores(folder: Path) -> "pd.DataFrame":
    """One row per image and cell, sorted as `read_metrics` and then by image.

    Args:
        folder: such as `results/miniature/scores`.

    Raises:
        ResultsError: there are no results, or a file is damaged or of another schema version.
    """
    return _read(folder, SCORES_SCHEMA)


def read_examples(folder: Path) -> "pd.DataFrame":
    """One row per example and cell, sorted as `read_metrics` and then as prepared.

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
    table = pa.concat_tables([_table(path, schema) for path in files])
    frame: pd.DataFrame = table.to_pandas(types_mapper=_pandas_type)
    return frame


def read_file(path: Path, schema: pa.Schema) -> "pd.DataFrame":
    """The rows of one file, as the functions above give those of all.

    Raises:
        ResultsError: it is damaged, no regular file, or of another schema version.
    """
    frame: pd.DataFrame = _table(path, schema).to_pandas(types_mapper=_pandas_type)
    return frame


def _table(path: Path, schema: pa.Schema) -> pa.Table:
    return from_bytes(_content(path), schema, str(path))[0]


def _content(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read(_MOST_BYTES)
    except NotAFileError as error:
        raise ResultsError(f"{path}: no regular file; delete it and run again") from error
