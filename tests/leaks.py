"""Searches files for texts that must not be in them, through the containers that a run writes."""

import base64
import gzip
import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pyarrow.parquet as pq

_CHUNK = re.compile(rb"[A-Za-z0-9+/]{64,}={0,2}")  # the report's parts: base64 of deflated bytes


def views(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and what they hold when they are unpacked."""
    content = path.read_bytes()
    yield content
    if content.startswith(b"PAR1"):
        yield from _parquet(path)
    elif content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content)
    elif content.startswith(b"SQLite format 3"):
        yield from _sqlite(path)
    elif path.suffix == ".html":
        yield from _chunks(content)


def _parquet(path: Path) -> Iterator[bytes]:
    table = pq.read_table(path)
    yield repr(table.to_pylist()).encode()
    yield repr((table.schema.metadata, pq.read_metadata(path).metadata)).encode()


def _sqlite(path: Path) -> Iterator[bytes]:
    """Row by row: a long value is spread over pages of the file."""
    with closing(sqlite3.connect(path)) as database:
        names = database.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (name,) in names:
            yield repr(database.execute(f'select * from "{name}"').fetchall()).encode()  # noqa: S608


def _chunks(content: bytes) -> Iterator[bytes]:
    for text in _CHUNK.findall(content):
        with suppress(ValueError, zlib.error):
            yield zlib.decompress(base64.b64decode(text))


def leaks(paths: Iterable[Path], secrets: dict[str, str]) -> list[str]:
    """`NAME in FILE` of every secret (by name) that a file holds."""
    return sorted(
        {
            f"{name} in {path}"
            for path in paths
            if path.is_file()
            for view in views(path)
            for name, secret in secrets.items()
            if secret.encode() in view
        }
    )
